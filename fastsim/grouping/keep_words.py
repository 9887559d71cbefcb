"""Parse and check what --keep and rule files say: ordered rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fastsim.errors import UsageError, shown
from fastsim.inputs.formats import IMAGES

UNCROPPED = "uncropped"
"""The rule that needs verification: of an image and its crop, the image stays."""
BEST = "best"
WORDS = (
    "intact", "reference", UNCROPPED, "resolution", "largest", "raw", "format:", "exif", "sharp", "folder:", "name:original",
    "newest", "oldest", "shortest-path", "path", BEST,
)  # fmt: skip
"""Values of --keep, as a shell completes them; words that end with a colon take a value."""
_BEST = ("intact", UNCROPPED, "resolution", "exif", "largest", "name:original", "oldest")
_EXAMPLES = {"format:": "format:heic>jpeg>png", "folder:": "folder:GLOB"}
_ALLOWED = ", ".join(_EXAMPLES.get(word, word) for word in WORDS)
_FORMATS = {
    spelling: one.name
    for one in IMAGES
    for spelling in (one.name.lower(), *(suffix.removeprefix(".") for suffix in one.suffixes))
}


@dataclass(frozen=True, slots=True)
class KeepRule:
    """One rule: its name in `keep_rules.RULES`, and the value after the colon, empty without one."""

    name: str
    value: str = ""
    optional: bool = field(default=False, compare=False)
    """Part of `best`: skipped if the facts that it needs are not known."""

    def __str__(self) -> str:
        value = self.value.lower() if self.name == "format" else self.value
        return f"{self.name}:{value}" if value else self.name


@dataclass(frozen=True, slots=True)
class KeepRules:
    """Rules in the order in which they decide; what one leaves equal goes to the next."""

    rules: tuple[KeepRule, ...]

    @classmethod
    def parse(cls, text: str, option: str = "--keep") -> KeepRules:
        """Read `RULE,RULE,...`. Raises UsageError, which names `option`."""
        return cls.of(text.split(","), option)

    @classmethod
    def of(cls, words: Iterable[str], option: str = "--keep") -> KeepRules:
        """Read one rule per word; a glob may hold commas here. Raises UsageError, which names `option`."""
        named: list[str] = [word.strip() for word in words]
        found: list[KeepRule] = []
        for word in named:
            found += _best(found, named, option) if word == BEST else [_rule(word, option)]
        if not found:
            raise UsageError(f"{option} must name a rule, such as largest or {BEST} (got nothing)")
        for at, rule in enumerate(found):
            if rule in found[:at]:
                raise UsageError(f"{option} names the rule {shown(str(rule))} twice; leave one of them out")
        return cls(tuple(found))

    def __str__(self) -> str:
        return ",".join(map(str, self.rules))

    def asks_for(self, name: str) -> bool:
        """Return whether the rule `name` is among them."""
        return any(rule.name == name for rule in self.rules)

    def requires(self, name: str) -> bool:
        """Return whether the rule `name` was requested by itself, and not as a part of `best`."""
        return any(rule.name == name and not rule.optional for rule in self.rules)


DEFAULT = KeepRules((KeepRule("largest"),))


def read_rules(path: str) -> KeepRules:
    """Read a rule file: TOML with the key `keep`, a list of rules or one string as --keep takes it. Raises UsageError."""
    import tomllib

    option = f"--rules {shown(path)}"
    try:
        with open(path, "rb") as stream:
            found = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"{option}: can't be read ({error.strerror}); give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f'{option}: not TOML ({shown(str(error))}); write such as: keep = ["intact", "largest"]'
        ) from None
    return _from_toml(found, option)


def _from_toml(found: Mapping[str, object], option: str) -> KeepRules:
    if unknown := sorted(found.keys() - {"keep"}):
        raise UsageError(f"{option}: the only key is keep (got {shown(unknown[0])!r}); remove the other lines")
    match found.get("keep"):
        case str(text):
            return KeepRules.parse(text, f"{option}: keep")
        case [*words] if words and all(isinstance(word, str) for word in words):
            return KeepRules.of(map(str, words), f"{option}: keep")
    raise UsageError(f'{option}: keep must be a list of rules, such as ["intact", "largest"]')


def _best(before: list[KeepRule], named: list[str], option: str) -> list[KeepRule]:
    """Return the rules of `best` that are not among `before`; those that come later would never decide."""
    if named.count(BEST) > 1:
        raise UsageError(f"{option} names the rule {BEST} twice; leave one of them out")
    rules = [_rule(word, option) for word in _BEST]
    return [
        KeepRule(one.name, one.value, optional=True) for one in rules
        if one.name not in {rule.name for rule in before}
    ]  # fmt: skip


def _rule(word: str, option: str) -> KeepRule:
    name, colon, value = word.partition(":")
    if colon and not value and f"{name}:" in WORDS:
        raise UsageError(f"{option} {name}: needs a value, such as {_EXAMPLES[f'{name}:']} (got {shown(word)!r})")
    if name == "format" and colon:
        return KeepRule(name, _formats(value, option))
    if name == "folder" and colon:
        return KeepRule(name, value)
    if word not in WORDS or word.endswith(":"):
        raise UsageError(f"{option} must be one or more of {_ALLOWED}, with commas between (got {shown(word)!r})")
    return KeepRule(name, value)


def _formats(value: str, option: str) -> str:
    """Return the names of formats, in order, with `>` between."""
    names = []
    for word in value.split(">"):
        name = _FORMATS.get(word.strip().lower())
        if name is None:
            raise UsageError(
                f"{option} format:{shown(value)}: {shown(word)!r} is no image format; use names or suffixes, such as "
                "format:heic>jpeg>png"
            )
        if name in names:
            raise UsageError(f"{option} format:{shown(value)}: {name} is there twice; leave one of them out")
        names.append(name)
    return ">".join(names)
