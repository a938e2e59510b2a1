"""Tells stories from the templates, and parses a text back into them: the same grammar writes and judges.

A story is an opening, a plot and an ending; every variable is one lexicon row, so names, pronouns and objects agree.
"""

import dataclasses
import functools
import random
import re

import lexicon
import plots

HEROES = lexicon.CHILDREN + lexicon.NAMED_PETS + lexicon.UNNAMED_ANIMALS + lexicon.UNNAMED_PEOPLE
FRIENDS = lexicon.CHILDREN + lexicon.ANIMAL_FRIENDS
KINDS = {
    "H": HEROES, "F": FRIENDS, "X": lexicon.TRAITS, "C": lexicon.COLORS, "W": lexicon.WEATHER, "D": lexicon.TIMES + lexicon.LATER,
    "V": lexicon.HOMES, "P": lexicon.PLACES, "Q": lexicon.HIDING, "Y": lexicon.HIDING, "N": lexicon.OUTSIDE, "T": lexicon.SMALL_THINGS,
    "R": lexicon.TREASURES, "K": lexicon.WEAK, "E": lexicon.FEARS, "O": lexicon.FOODS, "L": lexicon.PLANTS, "S": lexicon.SKILLS,
    "B": lexicon.BREAKABLES, "U": lexicon.GUIDES, "I": lexicon.BUILDS, "G": lexicon.GROWNUPS, "J": lexicon.GIFTS, "Z": lexicon.WISHES,
    "M": lexicon.FEELINGS,
}  # fmt: skip
SLOT = re.compile(r"\{([A-Z])(?:\.([a-z]+))?\}")
# Openings that set a time of their own, after which "One day" would be odd.
TIMED = ("One", "It was a", "Yesterday", "When the sun", "Every")


@dataclasses.dataclass(frozen=True)
class Story:
    text: str
    plot: str
    rows: dict[str, dict]  # variable -> lexicon row


def capitalize(text: str) -> str:
    """Upper-cases the first letter of every sentence; what follows a closing quote after `!` or `?` stays as it is."""
    return re.sub(r'(^"?|[.!?] "?|\." )([a-z])', lambda m: m.group(1) + m.group(2).upper(), text)


def fill(template: str, rows: dict[str, dict]) -> str:
    return SLOT.sub(lambda m: rows[m.group(1)][m.group(2) or "n"], template)


def choose_hero(rng: random.Random, group: str) -> dict:
    if group == "child":
        return rng.choice(lexicon.CHILDREN)
    if group == "animal":
        return rng.choice(lexicon.NAMED_PETS if rng.random() < 0.35 else lexicon.UNNAMED_ANIMALS)
    return rng.choice(lexicon.UNNAMED_PEOPLE)


def choose_rows(rng: random.Random, group: str) -> dict[str, dict]:
    rows = {letter: rng.choice(kind) for letter, kind in KINDS.items()}
    rows["H"] = choose_hero(rng, group)
    friends = lexicon.ANIMAL_FRIENDS if group == "animal" else lexicon.CHILDREN
    while rows["F"] not in friends or rows["F"]["n"] == rows["H"]["n"] or rows["F"]["kind"] in rows["H"]["n"]:
        rows["F"] = rng.choice(friends)
    while rows["Y"]["n"] == rows["Q"]["n"]:
        rows["Y"] = rng.choice(lexicon.HIDING)
    return rows


def tell(rng: random.Random, group: str | None = None, hero: dict | None = None) -> Story:
    """A random story. `group` ('child', 'animal', 'person') or `hero` narrows who it is about."""
    if hero is not None:
        group = hero["group"]
    group = group or rng.choices(["child", "animal", "person"], [6, 3, 1])[0]
    rows = choose_rows(rng, group)
    if hero is not None:
        rows["H"] = hero
        while rows["F"]["n"] == hero["n"]:
            rows["F"] = rng.choice(lexicon.CHILDREN)
    plot = rng.choice([p for p in plots.PLOTS if group in plots.PLOT_GROUPS.get(p, (group,))])
    solo = plot in plots.SOLO_PLOTS

    openings = [o for o in plots.OPENINGS if not (solo and "good friend" in o)]
    introduced = False
    if group == "child" and not solo and rng.random() < 0.2:
        opening, introduced = rng.choice(plots.PAIR_OPENINGS), True
    elif "named" in rows["H"]["who"] and rng.random() < 0.2:
        opening = rng.choice(plots.NAMED_OPENINGS)
    else:
        opening = rng.choice(openings)
    if opening.startswith(TIMED):
        rows["D"] = rng.choice(lexicon.LATER)
    else:
        rows["D"] = rng.choice(lexicon.TIMES)

    parts = [opening]
    for step in plots.PLOTS[plot]:
        template = rng.choice(step)
        if "{FF}" in template:
            template = template.replace("{FF}", "{F}" if introduced else "{H.his} friend {F}")
            introduced = True
        parts.append(template)
    parts.append(rng.choice(plots.ENDINGS))
    text = " ".join(capitalize(fill(p, rows)) for p in parts if p)
    return Story(text.replace(" a orange ", " an orange "), plot, rows)


# --- the parser -------------------------------------------------------------------------------------------------------


@functools.cache
def values(letter: str, attribute: str) -> str:
    """A pattern for all values of a slot, either case in front, the longest first."""
    found = sorted({row[attribute] for row in KINDS[letter] if attribute in row}, key=len, reverse=True)
    return "|".join(f"(?i:{re.escape(v[0])}){re.escape(v[1:])}" for v in found)


@functools.cache
def pattern(template: str) -> tuple[re.Pattern, tuple[tuple[str, str], ...]]:
    slots, out, last = [], "", 0
    for m in SLOT.finditer(template):
        slots.append((m.group(1), m.group(2) or "n"))
        out += re.escape(template[last : m.start()]) + f"({values(*slots[-1])})"
        last = m.end()
    out += re.escape(template[last:]) + r"(?: |$)"
    out = re.sub(r"(^\"?|[.!?] \"?)([a-z])", lambda m: m.group(1) + f"(?i:{m.group(2)})", out)
    return re.compile(out), tuple(slots)


def _variants(template: str) -> list[str]:
    if "{FF}" not in template:
        return [template]
    return [template.replace("{FF}", "{F}"), template.replace("{FF}", "{H.his} friend {F}")]


def _narrow(candidates: dict, slots, groups) -> dict | None:
    """The rows that each variable may still be, after one more sentence; None if a variable has none left."""
    narrowed = dict(candidates)
    for (letter, attribute), value in zip(slots, groups):
        rows = narrowed.get(letter, KINDS[letter])
        rows = [r for r in rows if attribute in r and r[attribute].lower() == value.lower()]
        if not rows:
            return None
        narrowed[letter] = rows
    return narrowed


def _parse_steps(text: str, position: int, steps, candidates: dict) -> dict | None:
    if not steps:
        return candidates if position >= len(text) else None
    for template in dict.fromkeys(steps[0]):
        for variant in _variants(template) if template else [""]:
            if not variant:
                found = _parse_steps(text, position, steps[1:], candidates)
                if found is not None:
                    return found
                continue
            compiled, slots = pattern(variant)
            match = compiled.match(text, position)
            narrowed = _narrow(candidates, slots, match.groups()) if match else None
            if narrowed is not None:
                found = _parse_steps(text, match.end(), steps[1:], narrowed)
                if found is not None:
                    return found
    return None


def parse(text: str) -> str | None:
    """The plot whose grammar derives the whole text with every name, pronoun and object agreeing; None if none does."""
    text = text.strip().replace(" an orange ", " a orange ")
    openings = plots.OPENINGS + plots.NAMED_OPENINGS + plots.PAIR_OPENINGS
    for plot, steps in plots.PLOTS.items():
        found = _parse_steps(text, 0, [openings, *steps, plots.ENDINGS], {})
        if found is None:
            continue
        hero, friend = found.get("H"), found.get("F")
        if hero and friend and {r["n"] for r in hero} == {r["n"] for r in friend}:
            continue
        return plot
    return None
