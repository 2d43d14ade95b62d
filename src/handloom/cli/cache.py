"""handloom cache: the cache of compiled training steps."""

from __future__ import annotations

from types import ModuleType

import typer

from handloom.cli.options import JsonFlag, QuietFlag
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom cache
  handloom cache --json | jq .bytes
  handloom cache clear
"""
CLEAR_EXAMPLES = """\b
Examples:
  handloom cache clear
"""
app = typer.Typer(epilog=EXAMPLES, invoke_without_command=True)


@app.callback()
def show(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show or clear the cache of compiled training steps.

    A network that was compiled once on this processor is loaded from the cache the next time.
    """
    if context.invoked_subcommand is not None:
        return
    voice = Voice.choose(as_json=as_json)
    cache = _cache()
    folder, sizes = cache.folder(), [entry.size for entry in cache.entries()]
    unusable = cache.unusable()
    voice.answer(
        {
            "folder": str(folder),
            "entries": len(sizes),
            "bytes": sum(sizes),
            "unusable": unusable,
        }
    )
    voice.say(str(folder))
    voice.say(f"{len(sizes):,} compiled programs, {sum(sizes) / 1e6:.1f} MB")
    if unusable:
        voice.say(f"the cache is off: {unusable}")


@app.command("clear", epilog=CLEAR_EXAMPLES)
def clear(as_json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """Delete all compiled steps; they are compiled again when needed."""
    voice = Voice.choose(as_json=as_json, quiet=quiet)
    freed = _cache().clear()
    voice.answer({"bytes": freed})
    voice.say(f"{freed / 1e6:.1f} MB freed")


def _cache() -> ModuleType:
    """The room's own account; raises MissingExtraError where there is no compiler."""
    from handloom.errors import MissingExtraError

    try:
        from handloom.loom.native import cache
    except ImportError:
        raise MissingExtraError(
            "llvmlite is not installed, so nothing has been compiled; pip install llvmlite"
        ) from None
    return cache
