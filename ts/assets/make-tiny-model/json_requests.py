"""Requests for JSON and their answers, which are always valid: flat and nested objects, lists, given values, wrapped facts."""

import json
import random

import facts
import lexicon

NAMES = lexicon.GIRLS + lexicon.BOYS
CITIES = list(facts.CAPITALS.values())
COUNTRIES = [c for c in facts.CAPITALS if " " not in c]
COLORS = "red blue green yellow orange pink purple white black brown gray".split()
ANIMALS = "dog cat cow duck sheep pig horse lion bird owl frog mouse bear fox rabbit turtle".split()
FRUITS = "apple banana pear orange plum cherry lemon peach grape melon".split()
HOBBIES = "reading swimming painting singing dancing running cooking fishing skating chess".split()
JOBS = "teacher doctor baker farmer painter singer pilot writer cook nurse".split()
TITLES = ["The Little Fox", "The Red Kite", "A Rainy Day", "The Old Tree", "The Lost Ball", "Under the Stars", "The Brave Mouse", "My Best Friend"]
FOODS = "soup bread pizza salad cake pie rice pasta cheese".split()
SIZES = ["small", "big", "medium"]
TOYS = "ball kite doll drum train boat puzzle".split()

FIELDS = {
    "name": lambda r: r.choice(NAMES), "age": lambda r: r.randint(1, 20), "city": lambda r: r.choice(CITIES), "country": lambda r: r.choice(COUNTRIES),
    "color": lambda r: r.choice(COLORS), "hobby": lambda r: r.choice(HOBBIES), "job": lambda r: r.choice(JOBS), "title": lambda r: r.choice(TITLES),
    "author": lambda r: r.choice(NAMES), "pages": lambda r: r.randint(2, 20) * 10, "price": lambda r: r.randint(1, 20), "size": lambda r: r.choice(SIZES),
    "happy": lambda r: r.random() < 0.5, "friends": lambda r: r.sample(NAMES, r.randint(2, 3)), "colors": lambda r: r.sample(COLORS, r.randint(2, 3)),
    "animal": lambda r: r.choice(ANIMALS), "food": lambda r: r.choice(FOODS), "fruit": lambda r: r.choice(FRUITS), "sound": lambda r: r.choice(list(facts.SOUNDS.values())),
    "legs": lambda r: r.choice([2, 4]), "day": lambda r: r.choice(facts.DAYS), "month": lambda r: r.choice(facts.MONTHS), "temperature": lambda r: r.randint(0, 30),
    "sunny": lambda r: r.random() < 0.5, "count": lambda r: r.randint(1, 20), "owner": lambda r: r.choice(NAMES), "toy": lambda r: r.choice(TOYS),
    "friend": lambda r: r.choice(NAMES), "year": lambda r: r.randint(2000, 2030), "new": lambda r: r.random() < 0.5, "id": lambda r: r.randint(1, 20),
    "fruits": lambda r: r.sample(FRUITS, r.randint(2, 3)), "animals": lambda r: r.sample(ANIMALS, r.randint(2, 3)), "hobbies": lambda r: r.sample(HOBBIES, 2),
    "likes": lambda r: r.choice(HOBBIES + FOODS),
}  # fmt: skip
NOUNS = {
    "person": "name age city country hobby job happy friends friend likes id", "boy": "name age city hobby friend toy happy", "girl": "name age city hobby friend toy happy",
    "child": "name age toy friend friends hobby", "dog": "name age color owner food size", "cat": "name age color owner food size", "pet": "name animal age color owner food",
    "animal": "name animal sound legs color size", "book": "title author pages price year new", "story": "title author pages year", "car": "color price year owner new size",
    "fruit": "name color price size count", "city": "name country id size", "day": "day month temperature sunny", "toy": "toy color price owner new",
    "house": "color size owner city price", "friend": "name age city hobby likes", "user": "id name age city country", "student": "name age hobby id friends",
    "teacher": "name age city hobby", "shop": "name city fruits price", "farm": "owner animals city size", "ball": "color size price owner", "meal": "food fruit price day",
    "zoo": "city animals price", "product": "id title price color count", "character": "name age animal hobby friend", "weather report": "city day temperature sunny",
}  # fmt: skip
NAMELIKE = {"animal": ANIMALS, "fruit": FRUITS, "city": CITIES}
LISTS = {"colors": COLORS, "animals": ANIMALS, "fruits": FRUITS, "names": NAMES, "cities": CITIES, "days": facts.DAYS, "months": facts.MONTHS, "hobbies": HOBBIES,
         "jobs": JOBS, "toys": TOYS, "foods": FOODS, "countries": COUNTRIES}
NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}
FRAMES = ["Answer in JSON: {}", "Answer in JSON: {}.", "Give me {} as JSON.", "Give me {} in JSON.", "Return JSON: {}.", "Write JSON for {}.", "Make JSON: {}",
          "Write {} as JSON.", "Return {} as JSON.", "JSON: {}", "Create {} in JSON.", "Please answer in JSON: {}", "Reply with JSON only: {}.", "Generate JSON for {}.",
          "I need {} as JSON.", "Describe {} in JSON.", "Show me {} in JSON format.", "Return a JSON object for {}.", "Give me a JSON object: {}."]
SYSTEMS = ["Answer in JSON.", "Always answer in JSON.", "Answer only in JSON.", "You answer in JSON.", "Reply with valid JSON only."]


def words(items: list[str], rng: random.Random) -> str:
    if len(items) == 1:
        return items[0]
    joiner = " and " if rng.random() < 0.8 else ", "
    return ", ".join(items[:-1]) + joiner + items[-1]


def value(noun: str, field: str, rng: random.Random):
    if field == "name" and noun in NAMELIKE:
        return rng.choice(NAMELIKE[noun])
    if field == "name" and noun == "boy":
        return rng.choice(lexicon.BOYS)
    if field == "name" and noun == "girl":
        return rng.choice(lexicon.GIRLS)
    return FIELDS[field](rng)


def choose_fields(noun: str, rng: random.Random) -> list[str]:
    own = NOUNS[noun].split() if rng.random() < 0.7 else list(FIELDS)
    fields = rng.sample(own, min(len(own), rng.choices([1, 2, 3, 4], [1, 5, 4, 1])[0]))
    return sorted(fields, key=own.index) if rng.random() < 0.5 else fields


def flat(rng: random.Random) -> tuple[str, object]:
    noun = rng.choice(list(NOUNS))
    fields = choose_fields(noun, rng)
    with_ = rng.choice([" with ", " with ", " with ", " with the keys ", " with the fields ", " with fields ", " that has "])
    quote = '"' if with_.endswith(("keys ", "fields ")) and rng.random() < 0.3 else ""
    asked = facts.article(noun) + with_ + words([quote + f + quote for f in fields], rng)
    return asked, {f: value(noun, f, rng) for f in fields}


def bare(rng: random.Random) -> tuple[str, object]:
    noun = rng.choice(list(NOUNS))
    fields = NOUNS[noun].split()[:3]
    return facts.article(noun), {f: value(noun, f, rng) for f in fields}


def plain_list(rng: random.Random) -> tuple[str, object]:
    kind, size = rng.choice(list(LISTS)), rng.randint(2, 5)
    asked = rng.choice(["a list of {} {}", "{} {}", "an array of {} {}", "a list with {} {}"]).format(rng.choice([NUMBER_WORDS[size], str(size)]), kind)
    return asked, rng.sample(LISTS[kind], size)


def numbers(rng: random.Random) -> tuple[str, object]:
    low = rng.randint(0, 12)
    high = low + rng.randint(2, 8)
    return f"the numbers from {low} to {high}", list(range(low, high + 1))


def object_list(rng: random.Random) -> tuple[str, object]:
    plurals = {"person": "people", "boy": "boys", "girl": "girls", "dog": "dogs", "cat": "cats", "book": "books", "car": "cars", "pet": "pets", "user": "users",
               "fruit": "fruits", "toy": "toys"}
    noun = rng.choice(list(plurals))
    own = NOUNS[noun].split()
    fields, size = rng.sample(own, 2), rng.randint(2, 3)
    return f"a list of {NUMBER_WORDS[size]} {plurals[noun]} with {fields[0]} and {fields[1]}", [{f: value(noun, f, rng) for f in fields} for _ in range(size)]


def nested(rng: random.Random) -> tuple[str, object]:
    noun, inner = rng.choice(["person", "girl", "boy", "child", "friend", "user", "student"]), rng.choice(["dog", "cat", "pet", "car", "book", "toy", "house", "friend"])
    fields = rng.sample(["name", "age", "city"], rng.randint(1, 2))
    inner_fields = rng.sample([f for f in NOUNS[inner].split()], 2)
    form = rng.choice(["a {} with {} and a {} with {}", "a {} with {} who has a {} with {}", "a {} with {} and a {} that has {}"])
    answer = {f: value(noun, f, rng) for f in fields}
    answer[inner] = {f: value(inner, f, rng) for f in inner_fields}
    return form.format(noun, words(fields, rng), inner, " and ".join(inner_fields)), answer


def given(rng: random.Random) -> tuple[str, object]:
    """Values that the request states, to be copied."""
    name, age, city, color, animal = rng.choice(NAMES), rng.randint(1, 20), rng.choice(CITIES), rng.choice(COLORS), rng.choice(ANIMALS)
    return rng.choice([
        (f"{name} is {age} years old", {"name": name, "age": age}),
        (f"{name} is {age} years old and lives in {city}", {"name": name, "age": age, "city": city}),
        (f"{name} lives in {city}", {"name": name, "city": city}),
        (f"a {animal} named {name}", {"animal": animal, "name": name}),
        (f"a {color} {animal} named {name}", {"animal": animal, "color": color, "name": name}),
        (f"a person named {name}", {"name": name}),
        (f"a person named {name} who is {age}", {"name": name, "age": age}),
        (f"a person named {name} from {city}", {"name": name, "city": city}),
        (f"{name} has a {color} {(toy := rng.choice(TOYS))}", {"name": name, "toy": toy, "color": color}),
        (f"{(field := rng.choice(list(FIELDS)))} is {name}", {field: name}),
        (f"{(field := rng.choice(['age', 'count', 'price', 'id', 'pages']))} is {age}", {field: age}),
        (f"an object with the key {(field := rng.choice(list(FIELDS)))} and the value {(v := rng.choice([name, city, color, animal, age]))}", {field: v}),
    ])  # fmt: skip


def request(rng: random.Random) -> tuple[list[dict], str]:
    """(messages before the answer, the answer as JSON text)."""
    maker = rng.choices([flat, bare, plain_list, numbers, object_list, nested, given], [40, 8, 10, 3, 9, 10, 14])[0]
    asked, answer = maker(rng)
    text = json.dumps(answer)
    if rng.random() < 0.15:
        return [{"role": "system", "content": rng.choice(SYSTEMS)}, {"role": "user", "content": facts.capital(asked) + rng.choice(["", ".", "."])}], text
    return [{"role": "user", "content": facts.capital(rng.choice(FRAMES).format(asked))}], text


def wrapped_fact(rng: random.Random, all_facts, all_sums) -> tuple[list[dict], str]:
    """A fact or a sum whose answer is asked for in JSON: {"answer": ...}."""
    if rng.random() < 0.4:
        a, b, sign, total = rng.choice(all_sums)
        question, bare_answer = rng.choice(facts.sum_phrasings(a, b, sign)), total
    else:
        ways, _, bare_answer = rng.choice([f for f in all_facts if f[2] is not None])
        question = rng.choice(ways)
    text = json.dumps({"answer": bare_answer})
    if rng.random() < 0.4:
        return [{"role": "system", "content": rng.choice(SYSTEMS)}, {"role": "user", "content": question}], text
    return [{"role": "user", "content": rng.choice([f"Answer in JSON: {question}", f"{question} Answer in JSON.", f"{question} Reply in JSON."])}], text
