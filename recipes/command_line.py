"""The command line that scripts of this repository share."""

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Argument parser whose help shows defaults and whose errors are a single line.

    Args:
        documentation: Docstring of the script; its first paragraph describes the command.
    """

    def __init__(self, documentation: str | None) -> None:
        super().__init__(
            description=(documentation or "").split("\n\n")[0],
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")
