"""`python -m nfvlab` is `nfvlab`."""

from nfvlab.cli import main

raise SystemExit(main())
