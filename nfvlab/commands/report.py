"""`nfvlab report`: every notebook run afresh into one HTML file each that loads nothing from elsewhere."""

import html
import re
import sys
import time
from pathlib import Path

from nfvlab.commands._execute import CellFailed, chosen, execute, normalise
from nfvlab.paths import CHECKOUT

STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; color: #222; }
main { max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
h2 { font-size: 1.15rem; margin-bottom: 0; }
p { margin-top: .3rem; }
a { color: #0b5394; }
"""
INDEX = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>nfvlab: the notebooks</title><style>{style}</style></head>
<body><main>
<h1>nfvlab: the notebooks</h1>
<p>Each page is one notebook as it ran; nothing on it is loaded from elsewhere.
In JupyterLab (<code>make lab</code>) the panels answer to their sliders.</p>
{entries}
</main></body>
</html>
"""
# The page of nbconvert's "lab" look, less the four scripts that it loads from the network.
PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_css -%}
{{ super() }}
<style>.jp-RenderedMarkdown details, .jp-RenderedMarkdown .highlight { margin-bottom: 1em; }</style>
{%- endblock html_head_css -%}
{%- block html_head_js -%}{%- endblock html_head_js -%}
{%- block jupyter_widgets -%}{%- endblock jupyter_widgets -%}
{%- block html_head_js_mathjax -%}{%- endblock html_head_js_mathjax -%}
{%- block html_head_js_mermaidjs -%}{%- endblock html_head_js_mermaidjs -%}
"""
LOADING = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src", "srcdoc"),
    "embed": ("src",),
    "object": ("data",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
CSS_LOADS = re.compile(r"""@import\s+[^;]+|url\(\s*['"]?(?!data:|#)[^)]*\)""")


class NotSelfContained(Exception):
    """A page would load something from elsewhere; the message names the notebook and what."""


def add_parser(subparsers) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("report", help="run the notebooks into self-contained HTML pages")
    parser.add_argument("notebook", nargs="*", help="a path or a name; default: every one in notebooks/")
    parser.add_argument("-o", "--output", type=Path, default=CHECKOUT / "reports", metavar="DIR")
    parser.add_argument("--timeout-s", type=int, default=600, metavar="S", help="for one cell (default: 600)")


def run(args) -> int:
    """Write the pages and their index; 1 where a notebook fails, each named with its cell."""
    paths = chosen(args.notebook)
    args.output.mkdir(parents=True, exist_ok=True)
    entries, failed = [], False
    for path in paths:
        begin = time.perf_counter()
        page = args.output / f"{path.stem}.html"
        page.unlink(missing_ok=True)
        try:
            notebook = normalise(execute(path, timeout_s=args.timeout_s))
            text = to_html(notebook, path, pages={other.stem for other in paths})
        except (CellFailed, NotSelfContained) as error:
            print(f"nfvlab report: {error}", file=sys.stderr)
            failed = True
            continue
        page.write_text(text, encoding="utf-8")
        entries.append((page.name, *title_and_summary(notebook)))
        print(f"{page}: {len(text) / 1e6:.1f} MB, {time.perf_counter() - begin:.0f} s", flush=True)
    (args.output / "index.html").write_text(index(entries), encoding="utf-8")
    return int(failed)


def title_and_summary(notebook) -> tuple[str, str]:
    """The H1 of the first cell and the paragraph after it, as plain text."""
    first = notebook.cells[0].source if notebook.cells else ""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", first) if block.strip()]
    title = blocks[0].lstrip("# ").splitlines()[0] if blocks else "Untitled"
    summary = " ".join(blocks[1].split()) if len(blocks) > 1 else ""
    return _plain(title), _plain(summary)


def _plain(markdown: str) -> str:
    """Markdown's emphasis, code marks and links, reduced to their text."""
    return re.sub(r"[*`]", "", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", markdown))


def index(entries: list[tuple[str, str, str]]) -> str:
    """The page that lists (page, title, summary)."""
    listed = "\n".join(
        f'<h2><a href="{html.escape(page)}">{html.escape(title)}</a></h2>\n<p>{html.escape(summary)}</p>'
        for page, title, summary in entries
    )
    return INDEX.format(style=STYLE, entries=listed)


def to_html(notebook, path: Path, pages: set[str]) -> str:
    """One self-contained page; `pages` are the stems whose links become links between pages."""
    from bs4 import BeautifulSoup

    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            _picture_with_alt(output)
    exporter = _exporter()
    resources = {"metadata": {"name": path.stem, "path": str(path.resolve().parent)}}
    text, _ = exporter.from_notebook_node(notebook, resources=resources)
    soup = BeautifulSoup(text, "html.parser")
    soup.title.string = f"{title_and_summary(notebook)[0]} · nfvlab"
    for link in soup.select("a[href]"):
        target, _, anchor = link["href"].partition("#")
        if target.endswith(".ipynb") and Path(target).stem in pages:
            link["href"] = f"{Path(target).stem}.html" + (f"#{anchor}" if anchor else "")
    loads = outside_references(soup)
    if loads:
        raise NotSelfContained(f"{path.name}: the page would load {', '.join(sorted(loads))}")
    return str(soup)


def _picture_with_alt(output) -> None:
    """Turn a PNG output into an `<img>` that keeps its alt text; other forms of the output make way."""
    data = output.get("data", {})
    if "image/png" not in data:
        return
    metadata = output.get("metadata", {})
    alt = (
        metadata.get("image/png", {}).get("alt") or metadata.get("alt") or _alt_of(data.get("text/html", ""))
    )
    alt = alt or data.get("text/plain", "")
    source = "".join(data["image/png"].split())
    width = metadata.get("image/png", {}).get("width")
    sized = f' width="{int(width)}"' if width else ""
    picture = f'<img alt="{html.escape(alt, quote=True)}"{sized} src="data:image/png;base64,{source}">'
    output["data"] = type(data)({"text/html": picture})


def _alt_of(markup: str) -> str:
    from bs4 import BeautifulSoup

    image = BeautifulSoup(markup, "html.parser").find("img", alt=True)
    return image["alt"] if image else ""


def _exporter():
    """nbconvert's HTML exporter with our page, pictures embedded and formulas as MathML."""
    from jinja2 import DictLoader, pass_context
    from latex2mathml.converter import convert
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_html(self, html):  # embedding parses a block by itself, and so closes a <details> at once
            return super().block_html(html) if "<img" in html else html

        def inline_math(self, body):
            return convert(body)

        def block_math(self, body):
            return convert(body, display="block")

        def latex_environment(self, name, body):
            return convert(f"\\begin{{{name}}}{body}\\end{{{name}}}", display="block")

    class Exporter(HTMLExporter):
        @pass_context
        def markdown2html(self, context, source):
            cell, metadata = context.get("cell", {}), context.get("resources", {}).get("metadata", {})
            renderer = Renderer(
                escape=False,
                attachments=cell.get("attachments", {}),
                embed_images=True,
                path=metadata.get("path", ""),
                anchor_link_text="¶",
            )
            return MarkdownWithMath(renderer=renderer).render(source)

    return Exporter(extra_loaders=[DictLoader({"page.html.j2": PAGE})], template_file="page.html.j2")


def outside_references(soup) -> set[str]:
    """What a browser would fetch to show the page: every source that is not in the page itself."""
    loads = set()
    for tag, attributes in LOADING.items():
        for element in soup.find_all(tag):
            for name in attributes:
                value = element.get(name, "")
                if value and not value.startswith(("data:", "#")):
                    loads.add(value)
    for style in soup.find_all("style"):
        loads.update(CSS_LOADS.findall(style.get_text()))
    for element in soup.find_all(style=True):
        loads.update(CSS_LOADS.findall(element["style"]))
    return loads
