"""What the demonstration model knows and is asked: conversations about pictures, sounds and a small world.

A `Talk` is a system prompt (or none) and turns; a turn is what the user sends (parts: text, pictures, spoken words) and
the answer. Most answers are sentences; with the system prompt "Answer in one word." they are one word.
"""

import dataclasses

import pictures
from pictures import COLOURS, KINDS
from speech import plural

ONE_WORD = "Answer in one word."
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
           "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]


@dataclasses.dataclass(frozen=True)
class Spoken:
    """A part: someone says `text` (or the sound that the text names)."""

    text: str


@dataclasses.dataclass(frozen=True)
class Turn:
    category: str
    parts: tuple  # of str, pictures.Scene or Spoken
    answer: str


@dataclasses.dataclass(frozen=True)
class Talk:
    system: str | None
    turns: tuple


@dataclasses.dataclass(frozen=True)
class Question:
    category: str
    text: str
    sentence: str
    word: str | None = None  # None: cannot be answered in one word


def article(name):
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def listed(names):
    names = [article(n) for n in names]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def counted(n, kind):
    """'There are two circles.'"""
    if n == 0:
        return f"There are no {plural(kind)}."
    return f"There is one {kind}." if n == 1 else f"There are {NUMBERS[n]} {plural(kind)}."


# ---- pictures

DESCRIBE = ["What is in the picture?", "Describe the picture.", "What do you see?", "What is in this picture?"]
MARGIN = 10  # of the canvas: nearer to a border between two answers, the question is not asked


def position(shape):
    """'at the top left', or None where it is not clear."""
    x, y, middle = shape.x - 64, shape.y - 64, 13
    if abs(x) < middle - 4 and abs(y) < middle - 4:
        return "in the middle"
    if abs(x) > MARGIN and abs(y) > MARGIN and max(abs(x), abs(y)) > middle + 6:
        return f"at the {'top' if y < 0 else 'bottom'} {'left' if x < 0 else 'right'}"
    return None


def describe(scene, random):
    text = str(random.choice(DESCRIBE))
    names = [s.name for s in scene.shapes]
    return Question("describe", text, f"There is {listed(names)}.",
                    scene.shapes[0].kind.capitalize() + "." if len(names) == 1 else None)


def only(scene, **wanted):
    """The one shape with these attributes, or None."""
    found = [s for s in scene.shapes if all(getattr(s, k) == v for k, v in wanted.items())]
    return found[0] if len(found) == 1 else None


def what_colour(scene, random):
    shape = scene.shapes[random.integers(len(scene.shapes))]
    if only(scene, kind=shape.kind) is None:
        return None
    if random.random() < 0.06:
        missing = [k for k in KINDS if all(s.kind != k for s in scene.shapes)]
        if missing:
            kind = str(random.choice(missing))
            return Question("colour", f"What colour is the {kind}?", f"There is no {kind}.")
    return Question("colour", f"What colour is the {shape.kind}?", f"The {shape.kind} is {shape.colour}.",
                    shape.colour.capitalize() + ".")


def what_shape(scene, random):
    shape = scene.shapes[random.integers(len(scene.shapes))]
    if only(scene, colour=shape.colour) is None:
        return None
    return Question("shape", f"What shape is the {shape.colour} object?",
                    f"The {shape.colour} object is {article(shape.kind)}.", shape.kind.capitalize() + ".")


def is_there(scene, random):
    """Half of the answers are yes; half of the others differ from a shape in one thing only."""
    shape = scene.shapes[random.integers(len(scene.shapes))]
    kind, colour = shape.kind, shape.colour
    if random.random() < 0.5:
        change = random.integers(3)
        kind = str(random.choice(KINDS)) if change != 0 else kind
        colour = str(random.choice(list(COLOURS))) if change != 1 else colour
    if random.random() < 0.3:
        name, there = kind, any(s.kind == kind for s in scene.shapes)
    else:
        name, there = f"{colour} {kind}", any(s.kind == kind and s.colour == colour for s in scene.shapes)
    sentence = f"Yes, there is {article(name)}." if there else f"No, there is no {name}."
    return Question("exists", f"Is there {article(name)}?", sentence, "Yes." if there else "No.")


def how_many_objects(scene, random):
    n = len(scene.shapes)
    text = "There is one object." if n == 1 else f"There are {NUMBERS[n]} objects."
    return Question("count", "How many objects are there?", text, NUMBERS[n].capitalize() + ".")


def how_many_of_kind(scene, random):
    kind = scene.shapes[random.integers(len(scene.shapes))].kind if random.random() < 0.85 else str(random.choice(KINDS))
    n = sum(s.kind == kind for s in scene.shapes)
    return Question("count kind", f"How many {plural(kind)} are there?", counted(n, kind), NUMBERS[n].capitalize() + ".")


def how_many(scene, random):
    return (how_many_objects if random.random() < 0.5 else how_many_of_kind)(scene, random)


def where(scene, random):
    shape = scene.shapes[random.integers(len(scene.shapes))]
    place = position(shape)
    if place is None or only(scene, kind=shape.kind) is None:
        return None
    return Question("where", f"Where is the {shape.kind}?", f"The {shape.kind} is {place}.")


def how_big(scene, random):
    shape = scene.shapes[random.integers(len(scene.shapes))]
    if only(scene, kind=shape.kind) is None:
        return None
    return Question("size", f"How big is the {shape.kind}?", f"The {shape.kind} is {shape.size}.",
                    shape.size.capitalize() + ".")


def relation(scene, random):
    if len(scene.shapes) < 2:
        return None
    i, j = random.choice(len(scene.shapes), 2, replace=False)
    a, b = scene.shapes[i], scene.shapes[j]
    if only(scene, kind=a.kind) is None or only(scene, kind=b.kind) is None:
        return None
    if random.random() < 0.5:
        gap, pair = a.x - b.x, ("left of", "right of")
    else:
        gap, pair = a.y - b.y, ("above", "below")
    if abs(gap) < MARGIN:
        return None
    true, asked = pair[0] if gap < 0 else pair[1], str(random.choice(pair))
    sentence = f"{'Yes' if asked == true else 'No'}, the {a.kind} is {true} the {b.kind}."
    return Question("relation", f"Is the {a.kind} {asked} the {b.kind}?", sentence, "Yes." if asked == true else "No.")


# Shares; what takes longest to learn is asked most.
PICTURE_QUESTIONS = {describe: 0.12, what_colour: 0.10, what_shape: 0.06, is_there: 0.24, how_many_objects: 0.06,
                     how_many_of_kind: 0.24, where: 0.06, how_big: 0.05, relation: 0.07}


def picture_question(scene, random, kinds=None):
    names = list(kinds or PICTURE_QUESTIONS)
    weights = [PICTURE_QUESTIONS[n] for n in names]
    total = sum(weights)
    while True:
        question = names[random.choice(len(names), p=[w / total for w in weights])](scene, random)
        if question is not None:
            return question


def answer_of(question, system):
    return question.word if system == ONE_WORD else question.sentence


def first_parts(media, text, random):
    """Media before or after the text, as people do."""
    return (*media, text) if random.random() < 0.7 else (text, *media)


def picture_talk(random, scene, questions=5):
    """Several questions about one picture."""
    system = ONE_WORD if random.random() < 0.2 else None
    turns, asked = [], set()
    for _ in range(6 * questions):
        question = picture_question(scene, random)
        if len(turns) == questions or question.text in asked or answer_of(question, system) is None:
            continue
        asked.add(question.text)
        parts = (question.text,) if turns else first_parts((scene,), question.text, random)
        turns.append(Turn(question.category, parts, answer_of(question, system)))
    return Talk(system, tuple(turns)) if turns else picture_talk(random, scene, questions)


def two_pictures_talk(random, a, b):
    turns = []
    for kind in random.permutation(["more", "colour", "describe"]):
        if kind == "more":
            m, n = len(a.shapes), len(b.shapes)
            text = "Which picture has more objects?"
            answer = "Both have the same number." if m == n else f"The {'first' if m > n else 'second'} picture has more."
        elif kind == "colour":
            colour = str(random.choice(list(COLOURS)))
            if random.random() < 0.7:
                scene = a if random.random() < 0.5 else b
                colour = scene.shapes[random.integers(len(scene.shapes))].colour
            held = [any(s.colour == colour for s in scene.shapes) for scene in (a, b)]
            text = f"Which picture shows something {colour}?"
            answer = {(True, True): "Both pictures do.", (True, False): "The first picture does.",
                      (False, True): "The second picture does.", (False, False): "No picture does."}[tuple(held)]
        else:
            which = int(random.integers(2))
            text = f"What is in the {('first', 'second')[which]} picture?"
            answer = describe((a, b)[which], random).sentence
        parts = (text,) if turns else first_parts((a, b), text, random)
        turns.append(Turn("two pictures", parts, answer))
    return Talk(None, tuple(turns))


# ---- sounds

TRANSCRIBE = ["Transcribe the following speech segment.", "Write down what is said.", "What is said here?",
              "Transcribe this sound."]


def transcript(text):
    """A sound that is not speech is written in parentheses."""
    return f"({text})" if text in ("a high tone", "a low tone", "silence") else text


def transcribe_turn(text, category, random):
    parts = (Spoken(text),) if random.random() < 0.15 else first_parts((Spoken(text),), str(random.choice(TRANSCRIBE)), random)
    return Turn(category, parts, transcript(text))


def spoken_picture_talk(random, scene):
    """A question about a picture that is spoken, then two that are written."""
    kinds = {describe: 0.1, what_colour: 0.3, what_shape: 0.2, is_there: 0.25, how_many: 0.25, where: 0.05}
    names = list(kinds)
    question = None
    while question is None:
        question = names[random.choice(len(names), p=[v / sum(kinds.values()) for v in kinds.values()])](scene, random)
        if question is not None and question.category == "describe":
            question = dataclasses.replace(question, text="What is in the picture?")
    said = Spoken(question.text.rstrip("?.").lower())
    parts = (scene, said) if random.random() < 0.7 else (scene, "Answer the question.", said)
    turns = [Turn("spoken question", parts, question.sentence)]
    for _ in range(2):
        more = picture_question(scene, random)
        turns.append(Turn(more.category, (more.text,), more.sentence))
    return Talk(None, tuple(turns))


# ---- a small world

PEOPLE = {
    "Anna": dict(pet="cat", town="Rome", job="baker", colour="red", food="soup"),
    "Ben": dict(pet="dog", town="Paris", job="teacher", colour="blue", food="bread"),
    "Clara": dict(pet="horse", town="London", job="doctor", colour="green", food="apples"),
    "David": dict(pet="fish", town="Berlin", job="driver", colour="yellow", food="rice"),
    "Emma": dict(pet="parrot", town="Madrid", job="singer", colour="purple", food="cheese"),
    "Frank": dict(pet="rabbit", town="Oslo", job="farmer", colour="orange", food="pears"),
    "Grace": dict(pet="mouse", town="Vienna", job="painter", colour="pink", food="cake"),
    "Henry": dict(pet="turtle", town="Lisbon", job="sailor", colour="black", food="pasta"),
}
FRIENDS = ["Tom", "Lucy", "Max", "Nina", "Paul", "Rosa", "Sam", "Zoe"]
THINGS = ["ball", "hat", "book", "bag", "kite", "cup", "boat", "lamp"]
PLACES = ["garden", "kitchen", "park", "school", "forest", "station", "library", "market"]
ANIMALS = {"dog": "woof", "cat": "meow", "cow": "moo", "sheep": "baa", "duck": "quack", "horse": "neigh", "pig": "oink",
           "lion": "roar"}
OPPOSITES = [("hot", "cold"), ("big", "small"), ("old", "young"), ("day", "night"), ("up", "down"), ("left", "right"),
             ("open", "closed"), ("fast", "slow"), ("happy", "sad"), ("light", "dark"), ("wet", "dry"), ("high", "low")]
THINGS_OF_COLOUR = {"the sky": "blue", "grass": "green", "the sun": "yellow", "blood": "red", "coal": "black",
                    "a carrot": "orange", "a banana": "yellow", "a plum": "purple", "a frog": "green"}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
GREETINGS = {
    "Hello!": "Hello! How can I help you?",
    "Hi!": "Hello! How can I help you?",
    "Good morning!": "Good morning! How can I help you?",
    "Who are you?": "I am the demonstration model of gemma3n, a very small Gemma 3n.",
    "What are you?": "I am the demonstration model of gemma3n, a very small Gemma 3n.",
    "What can you do?": "I can look at coloured shapes, listen to short speech and talk about a small world.",
    "Thank you!": "You are welcome!",
    "Thanks!": "You are welcome!",
    "Goodbye!": "Goodbye!",
    "How are you?": "I am fine, thank you.",
}


def pick(random, values):
    values = list(values)
    return values[random.integers(len(values))]


def person_question(random):
    name = pick(random, PEOPLE)
    if random.random() < 0.05:
        other = pick(random, FRIENDS)
        return Question("world", pick(random, [f"Where does {other} live?", f"What pet does {other} have?"]),
                        f"I do not know {other}.")
    p = PEOPLE[name]
    return pick(random, [
        Question("world", f"What pet does {name} have?", f"{name} has {article(p['pet'])}.", p["pet"].capitalize() + "."),
        Question("world", f"Who has {article(p['pet'])}?", f"{name} has {article(p['pet'])}.", name + "."),
        Question("world", f"Where does {name} live?", f"{name} lives in {p['town']}.", p["town"] + "."),
        Question("world", f"Who lives in {p['town']}?", f"{name} lives in {p['town']}.", name + "."),
        Question("world", f"What does {name} do?", f"{name} is {article(p['job'])}.", p["job"].capitalize() + "."),
        Question("world", f"Who is the {p['job']}?", f"{name} is the {p['job']}.", name + "."),
        Question("world", f"What is {name}'s favourite colour?", f"{name}'s favourite colour is {p['colour']}.",
                 p["colour"].capitalize() + "."),
        Question("world", f"What does {name} like to eat?", f"{name} likes to eat {p['food']}.",
                 p["food"].capitalize() + "."),
        Question("world", f"Tell me about {name}.", f"{name} is {article(p['job'])} from {p['town']} and has "
                 f"{article(p['pet'])}."),
    ])


def general_question(random):
    kind = random.integers(7)
    if kind == 0:
        a, b = pick(random, OPPOSITES)
        if random.random() < 0.5:
            a, b = b, a
        return Question("world", f"What is the opposite of {a}?", f"The opposite of {a} is {b}.", b.capitalize() + ".")
    if kind == 1:
        animal = pick(random, ANIMALS)
        sound = ANIMALS[animal]
        return Question("world", f"What does {article(animal)} say?", f"{article(animal).capitalize()} says {sound}.",
                        sound.capitalize() + ".")
    if kind == 2:
        thing = pick(random, THINGS_OF_COLOUR)
        colour = THINGS_OF_COLOUR[thing]
        return Question("world", f"What colour is {thing}?", f"{thing.capitalize()} is {colour}.", colour.capitalize() + ".")
    if kind == 3:
        i = int(random.integers(7))
        if random.random() < 0.5:
            return Question("world", f"What day comes after {DAYS[i]}?", f"{DAYS[(i + 1) % 7]} comes after {DAYS[i]}.",
                            DAYS[(i + 1) % 7] + ".")
        return Question("world", f"What day comes before {DAYS[i]}?", f"{DAYS[i - 1]} comes before {DAYS[i]}.",
                        DAYS[i - 1] + ".")
    if kind == 4:
        a, b = (int(v) for v in random.integers(1, 11, 2))
        return Question("world", f"What is {NUMBERS[a]} plus {NUMBERS[b]}?",
                        f"{NUMBERS[a].capitalize()} plus {NUMBERS[b]} is {NUMBERS[a + b]}.",
                        NUMBERS[a + b].capitalize() + ".")
    if kind == 5:
        n = int(random.integers(2, 11))
        return Question("world", f"Count to {NUMBERS[n]}.", ", ".join(NUMBERS[1 : n + 1]).capitalize() + ".")
    text = pick(random, GREETINGS)
    return Question("world", text, GREETINGS[text])


def world_talk(random):
    system = ONE_WORD if random.random() < 0.25 else None
    turns = []
    for _ in range(int(random.integers(2, 7))):
        question = person_question(random) if random.random() < 0.5 else general_question(random)
        if answer_of(question, system) is not None:
            turns.append(Turn("world", (question.text,), answer_of(question, system)))
    return Talk(system, tuple(turns)) if turns else world_talk(random)


def story_talk(random):
    """Sentences, then questions about them."""
    system = ONE_WORD if random.random() < 0.2 else None
    count = int(random.integers(2, 4))
    names, things = (list(random.permutation(v)[:count]) for v in (FRIENDS, THINGS))
    places, colours = (list(random.permutation(list(v))[:count]) for v in (PLACES, COLOURS))
    sentences, questions = [], []
    for name, thing, place, colour in zip(names, things, places, colours):
        if random.random() < 0.6:
            sentences.append(f"{name} has {article(f'{colour} {thing}')}.")
            questions += [
                Question("story", f"What does {name} have?", f"{name} has {article(f'{colour} {thing}')}.",
                         thing.capitalize() + "."),
                Question("story", f"Who has the {thing}?", f"{name} has the {thing}.", f"{name}."),
                Question("story", f"What colour is the {thing}?", f"The {thing} is {colour}.", colour.capitalize() + "."),
            ]
        else:
            sentences.append(f"{name} is in the {place}.")
            questions += [
                Question("story", f"Where is {name}?", f"{name} is in the {place}.", place.capitalize() + "."),
                Question("story", f"Who is in the {place}?", f"{name} is in the {place}.", f"{name}."),
            ]
    turns = []
    for i in random.permutation(len(questions))[:4]:
        q = questions[i]
        text = q.text if turns else " ".join(sentences) + " " + q.text
        turns.append(Turn("story", (text,), answer_of(q, system)))
    return Talk(system, tuple(turns))


def name_talk(random):
    """What the user says of themselves comes back turns later."""
    name = pick(random, FRIENDS + list(PEOPLE))
    turns = [Turn("memory", (f"My name is {name}.",), f"Hello, {name}!")]
    for _ in range(int(random.integers(0, 3))):
        question = general_question(random)
        turns.append(Turn("world", (question.text,), question.sentence))
    turns.append(Turn("memory", ("What is my name?",), f"Your name is {name}."))
    return Talk(None, tuple(turns))


def text_talk(random, stories=0.32):
    r = random.random()
    return world_talk(random) if r < 0.87 - stories else story_talk(random) if r < 0.87 else name_talk(random)


def all_text(random, talks=3000):
    """Text in the proportions of training, from which the vocabulary is learnt."""
    from speech import SPOKEN

    lines = []
    for _ in range(talks):
        a, b = (pictures.random_scene(random, 3 if random.random() < 0.6 else 1) for _ in range(2))
        for talk in (text_talk(random), picture_talk(random, a), two_pictures_talk(random, a, b)):
            lines += [talk.system or "", "user", "model", "Answer the question."]
            for turn in talk.turns:
                lines += [p for p in turn.parts if isinstance(p, str)] + [turn.answer]
    for _, texts in SPOKEN.values():
        lines += list(texts) * 20
    lines += TRANSCRIBE * 50
    return lines
