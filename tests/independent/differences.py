"""What a judge finds: how often each thing agreed, and each difference by its kind.

Rules of this file: standard library only; it decides nothing.
"""

from collections import Counter
from dataclasses import dataclass, field

SHOWN = 20


@dataclass
class Differences:
    """agreed: thing → how often it was compared and equal. found: kind of difference → texts. notes: what is no difference, but
    worth a line."""

    agreed: Counter[str] = field(default_factory=Counter)
    found: dict[str, list[str]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def say(self, kind: str, text: str) -> None:
        """One difference."""
        self.found.setdefault(kind, []).append(text)

    def same(self, kind: str, where: str, got: object, wanted: object) -> bool:
        """Compare; a difference is noted with both sides."""
        if got == wanted:
            self.agreed[kind] += 1
            return True
        self.say(kind, f"{where}: {short(got)}, due is {short(wanted)}")
        return False

    def check(self, kind: str, where: str, is_right: bool) -> bool:
        """Note a difference unless it is right."""
        if is_right:
            self.agreed[kind] += 1
        else:
            self.say(kind, where)
        return is_right

    def kinds(self) -> set[str]:
        """Kinds of difference that were found."""
        return set(self.found)

    def table(self) -> str:
        """What agrees, what does not, and the first differences of each kind."""
        lines = [f"{'':34} {'agree':>9} {'differ':>9}"]
        for kind in sorted({*self.agreed, *self.found}):
            lines.append(f"{kind:34} {self.agreed[kind]:9,} {len(self.found.get(kind, ())):9,}")
        lines += [f"note: {text}: {count:,}" for text, count in sorted(self.notes.items())]
        for kind, texts in sorted(self.found.items()):
            lines.append(f"\n{kind}: {len(texts):,}")
            lines += [f"  {text}" for text in texts[:SHOWN]]
            if len(texts) > SHOWN:
                lines.append(f"  and {len(texts) - SHOWN:,} more")
        return "\n".join(lines)


def short(value: object, most: int = 160) -> str:
    """A value for a line of text, printable on any terminal."""
    text = ascii(value) if isinstance(value, str) else ascii(str(value))[1:-1]
    return text if len(text) <= most else text[:most] + "…"
