"""The widgets of a panel and where they stand; it knows no model. Core ipywidgets only, no Output widget."""

import base64
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as ipw

_SHEET = """<style>
.nfvlab-panel { display:flex; flex-flow:row wrap; align-items:flex-start; column-gap:20px; overflow:visible;
  max-width:1200px; padding:4px 2px 2px; }
.nfvlab-panel .widget-html-content { line-height:1.3; }
.nfvlab-controls { flex:1 1 330px; display:block; columns:320px; column-gap:28px; overflow:visible; }
.nfvlab-top { column-span:all; max-width:520px; }
.nfvlab-group { break-inside:avoid; overflow:visible; }
.nfvlab-stage { flex:2 1 640px; min-width:0; max-width:900px; overflow:visible; }
.nfvlab-wide { flex:1 0 100%; overflow:visible; }
.nfvlab-row { align-items:center; min-height:32px; overflow:visible; width:100%; }
.nfvlab-row .widget-label { flex:0 0 124px; width:124px; text-align:left; margin:0 8px 0 0; }
.nfvlab-slider { flex:1 1 226px; min-width:206px; width:auto; margin:0 12px 0 0; }
.nfvlab-entry { flex:0 0 96px; width:96px; margin:0; }
.nfvlab-entry input { text-align:right; padding:0 7px; font-variant-numeric:tabular-nums; }
.nfvlab-menu { flex:1 1 auto; width:auto; min-width:0; margin:0; }
.nfvlab-check { width:100%; margin:0; }
.nfvlab-heading .widget-html-content { font-weight:600; margin:8px 0 2px; padding-bottom:2px;
  border-bottom:1px solid var(--jp-border-color2,#d5dbe1); }
.nfvlab-table { overflow:visible; width:100%; margin:0 0 6px; }
.nfvlab-table .nfvlab-row { min-height:43px; align-items:flex-start; }
.nfvlab-table .widget-label, .nfvlab-ways-head b { flex:0 0 150px; width:150px; margin:0 8px 0 6px; }
.nfvlab-mask { flex:1 1 auto; overflow:visible; margin:0; }
.nfvlab-ways { width:100%; height:22px; overflow:visible; margin:0; border-right:1px solid #8a949e; }
.nfvlab-ways .widget-toggle-button { flex:1 1 0; width:auto; min-width:0; height:22px; margin:0; padding:0;
  border:1px solid #8a949e; border-right:0; border-radius:0; background:#fff; box-shadow:none; }
.nfvlab-ways .widget-toggle-button.mod-active { background:#0173b2; box-shadow:none; }
.nfvlab-part1 .widget-toggle-button.mod-active { background:#de8f05; }
.nfvlab-part2 .widget-toggle-button.mod-active { background:#029e73; }
.nfvlab-part3 .widget-toggle-button.mod-active { background:#cc78bc; }
.nfvlab-part4 .widget-toggle-button.mod-active { background:#ca9161; }
.nfvlab-part5 .widget-toggle-button.mod-active { background:#56b4e9; }
.nfvlab-part6 .widget-toggle-button.mod-active { background:#949494; }
.nfvlab-part7 .widget-toggle-button.mod-active { background:#d55e00; }
.nfvlab-block { width:100%; height:16px; margin:3px 0 0; }
.nfvlab-block .slider-container { margin:0; height:16px; }
.nfvlab-hex { flex:0 0 84px; width:84px; margin:0 0 0 10px; }
.nfvlab-hex input { font-family:var(--jp-code-font-family,monospace); }
.nfvlab-ways-head { display:flex; align-items:center; font-size:11px; color:var(--jp-ui-font-color2,#52606d); }
.nfvlab-ways-head b { font-weight:400; text-align:right; }
.nfvlab-ways-head div { flex:1 1 auto; display:flex; }
.nfvlab-ways-head span { flex:1 1 0; text-align:center; font-variant-numeric:tabular-nums; }
.nfvlab-ways-head .nfvlab-marked { background:#e3e8ee; border-radius:3px; }
.nfvlab-ways-head i { flex:0 0 84px; width:84px; margin-left:10px; font-style:normal; }
.nfvlab-more { display:grid; grid-template-columns:repeat(auto-fill,minmax(330px,1fr)); column-gap:26px;
  overflow:visible; }
.nfvlab-tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(132px,max-content)); gap:2px 22px;
  min-height:72px; margin:0 0 4px 6px; }
.nfvlab-tiles div { white-space:nowrap; }
.nfvlab-tiles span { display:block; font-size:12px; color:var(--jp-ui-font-color2,#52606d); }
.nfvlab-tiles b { display:block; font-size:18px; font-weight:600; font-variant-numeric:tabular-nums; }
.nfvlab-frame { position:relative; }
.nfvlab-frame img { display:block; width:100%; height:auto; background:#fff; }
.nfvlab-broken img { opacity:.3; }
.nfvlab-alert { position:absolute; inset:12% 8% auto 8%; padding:12px 16px; background:#fff4f0; color:#5f1200;
  border:1px solid #d55e00; border-left-width:6px; border-radius:4px; font-size:14px; }
.nfvlab-alert ul { margin:6px 0 0; padding-left:20px; }
.nfvlab-foot { display:flex; align-items:center; min-height:34px; overflow:visible; width:100%; }
.nfvlab-status { flex:1 1 auto; min-width:0; }
.nfvlab-status .widget-html-content { white-space:nowrap; overflow:hidden; text-overflow:ellipsis;
  color:var(--jp-ui-font-color2,#52606d); font-size:12px; margin-left:6px; }
.nfvlab-unseen { position:absolute; clip-path:inset(50%); width:1px; height:1px; overflow:hidden; }
.nfvlab-bar { flex:0 0 110px; width:110px; margin:0 12px; }
.nfvlab-links { flex:0 0 auto; }
.nfvlab-links a { margin-left:12px; color:var(--jp-content-link-color,#0b5fa5); text-decoration:underline; }
.nfvlab-code pre { margin:0; padding:8px 10px; height:17em; overflow:auto; font-size:13px; line-height:1.4;
  user-select:all; }
</style>"""


class Board:
    """Controls at the left, key results and picture at the right, more parameters and Python below."""

    def __init__(
        self,
        presets: Sequence[str],
        *,
        size: tuple[int, int],
        choose: Callable[[str], None],
        reset: Callable[[], None],
        actions: Mapping[str, Callable[[], None]],
        more: Callable[[], Sequence[ipw.Widget]] | None,
    ) -> None:
        self.size, self._fill = size, more
        self.preset = ipw.Dropdown(
            options=list(presets), description="Scenario", tooltip="Scenario: where the sliders start"
        )
        self.preset.observe(lambda change: choose(change["new"]), "value")
        self.reset = ipw.Button(description="Reset", tooltip="Reset every parameter to the scenario's")
        self.reset.on_click(lambda _: reset())
        self.reset.layout.width = "76px"
        self.picture, self.status, self.links, self.code = (ipw.HTML() for _ in range(4))
        self.bar = ipw.IntProgress(min=0, max=100, tooltip="Monte Carlo progress")
        self.bar.layout.visibility = "hidden"
        self._state: tuple[bytes, str, Mapping[str, str]] = (b"", "", {})
        self.top = ipw.HBox([self.preset.add_class("nfvlab-menu"), self.reset]).add_class("nfvlab-row")
        self.controls = ipw.Box([self.top.add_class("nfvlab-top")]).add_class("nfvlab-controls")
        self.buttons = [_button(name, action) for name, action in actions.items()]
        self._groups: dict[str, tuple[list[ipw.Widget], ipw.VBox]] = {}
        self.head = ipw.HTML()
        self.table = ipw.VBox().add_class("nfvlab-table")
        self.root = self._arrange()

    def arrange(self, groups: Mapping[str, Sequence[ipw.Widget]], table: Sequence[ipw.Widget] = ()) -> None:
        """Put controls in their groups, and rows of masks into the table above the picture."""
        boxes = [self._group(title, members) for title, members in groups.items()]
        self.controls.children = (self.top, *boxes)
        self.table.children = (self.head, *table, ipw.HBox(self.buttons)) if table else ()
        self.table.layout.display = None if table else "none"
        if self.more.children:
            self.more.children = tuple(self._fill())

    def _group(self, title: str, members: Sequence[ipw.Widget]) -> ipw.VBox:
        """The box of a heading; it is kept, so that the slider in use keeps the focus when another control comes."""
        if title not in self._groups:
            heading = [ipw.HTML(escape(title)).add_class("nfvlab-heading")] if title else []
            self._groups[title] = (heading, ipw.VBox().add_class("nfvlab-group"))
        heading, box = self._groups[title]
        box.children = (*heading, *members)
        return box

    def _arrange(self) -> ipw.Box:
        foot = ipw.HBox(
            [
                self.status.add_class("nfvlab-status"),
                self.bar.add_class("nfvlab-bar"),
                self.links.add_class("nfvlab-links"),
            ]
        ).add_class("nfvlab-foot")
        stage = ipw.VBox([self.table, self.picture.add_class("nfvlab-picture"), foot])
        stage.add_class("nfvlab-stage")
        self.more = ipw.Box().add_class("nfvlab-more")
        folds = [(self.more, "More parameters")] if self._fill else []
        folds.append((self.code.add_class("nfvlab-code"), "Python"))
        fold = ipw.Accordion([widget for widget, _ in folds], titles=[title for _, title in folds])
        fold.observe(self._opened, "selected_index")
        self.fold = fold.add_class("nfvlab-wide")
        sheet = ipw.HTML(_SHEET)
        sheet.layout.display = "none"
        return ipw.Box([sheet, self.controls, stage, self.fold]).add_class("nfvlab-panel")

    def _opened(self, change: Any) -> None:
        if self._fill and change["new"] == 0 and not self.more.children:
            self.more.children = tuple(
                self._fill()
            )  # thirty sliders nobody may look at are made when they are

    @property
    def png(self) -> bytes:
        """The picture shown."""
        return self._state[0]

    def show(self, png: bytes, alt: str, results: Mapping[str, str]) -> None:
        """The picture and the key results of a good state."""
        self._state = (png, alt, results)
        self.picture.value = self._html()

    def complain(self, heading: str, problems: Sequence[str]) -> None:
        """A broken rule, over the last good picture."""
        items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
        self.picture.value = self._html(
            f'<div class="nfvlab-alert" role="alert"><b>{escape(heading)}</b><ul>{items}</ul></div>'
        )

    def _html(self, alert: str = "") -> str:
        png, alt, results = self._state
        tiles = "".join(f"<div>{_tile(key, value)}</div>" for key, value in results.items())
        image = ""
        if png:
            width, height = self.size
            source = base64.b64encode(png).decode("ascii")
            image = (
                f'<img alt="{escape(alt)}" width="{width}" height="{height}" decoding="sync" '
                f'style="max-width:{width}px" src="data:image/png;base64,{source}">'
            )
        broken = " nfvlab-broken" if alert else ""
        return (
            f'<div class="nfvlab-tiles">{tiles}</div><div class="nfvlab-frame{broken}">{image}{alert}</div>'
        )

    def say(self, sentence: str, results: str = "") -> None:
        """The status sentence; screen readers announce it, and after it the results that the tiles show."""
        unseen = f'<span class="nfvlab-unseen">{escape(results)}</span>' if results else ""
        self.status.value = f'<div role="status" aria-live="polite">{escape(sentence)}{unseen}</div>'

    def progress(self, done: float | None) -> None:
        """Share of the Monte Carlo that is done; None hides the bar, its place stays."""
        self.bar.layout.visibility = "hidden" if done is None else "visible"
        self.bar.value = 0 if done is None else round(100 * done)

    def offer(self, files: Mapping[str, tuple[str, bytes]]) -> None:
        """Download links: file name -> (media type, contents), as data URIs; none while the state moves."""
        self.links.layout.visibility = "visible" if files else "hidden"
        if not files:
            return  # the old ones keep their place, hidden
        self.links.value = "".join(
            f'<a download="{escape(name)}" href="data:{kind};base64,{base64.b64encode(data).decode("ascii")}"'
            f' title="Download {escape(name)}">{escape(name.rsplit(".", 1)[-1].upper())}</a>'
            for name, (kind, data) in files.items()
        )

    def python(self, source: str) -> None:
        """The code that reproduces the present state."""
        self.code.value = f'<pre tabindex="0" aria-label="Python code">{escape(source)}</pre>'


def _button(name: str, action: Callable[[], None]) -> ipw.Button:
    made = ipw.Button(description=name, tooltip=name)
    made.layout.width = "auto"
    made.on_click(lambda _: action())
    return made


def _tile(key: str, value: str) -> str:
    main, *rest = value.split(" · ")
    small = "".join(f"<span>{escape(line)}</span>" for line in rest)
    return f"<span>{escape(key)}</span><b>{escape(main)}</b>{small}"
