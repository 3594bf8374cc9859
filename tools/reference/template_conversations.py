"""Random conversations for chat templates, and the reference that renders them."""

import json
import random

SPECIAL_TOKENS = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
WORDS = (
    "the river crosses seven bridges Hello what is 42 a list of names please explain "
    "été naïve Straße Привет мир 你好 世界 こんにちは مرحبا 👋🏽 🙂 {x} {{ y }} {% z %} <b>bold</b> "
    "<end_of_turn> <start_of_turn>user [INST] </s> \"quoted\" 'single' back\\slash & ampersand tab\there "
    "<think>hm</think> ΣΟΦΟΣ ǅ İstanbul ﬁne e\u0301 \u00a0 \u2028 \u200b 1,000.50 -7 ... ```py\nprint(1)\n```"
).split(" ")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city.\nIn degrees.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city's name"},
                    "days": {"type": "integer", "default": 1},
                    "units": {"type": ["string", "null"], "enum": ["°C", "°F"]},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "search",
            "description": 'Finds "things" & <more>',
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "array", "items": {"type": "string"}},
                    "filter": {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "boolean"}}},
                },
            },
            "return": {"type": "string"},
        },
    },
]


def text(rng):
    count = rng.choice((0, 1, 2, 3, 5, 8, 13))
    body = "".join(rng.choice(WORDS) + rng.choice((" ", " ", " ", "\n", "\n\n", "  ")) for _ in range(count))
    return rng.choice(("", "", " ", "\n ")) + (body if rng.random() < 0.5 else body.strip())


def parts(rng):
    kinds = rng.choices(("text", "image", "audio", "video"), weights=(6, 3, 2, 0.3), k=rng.randint(0, 4))
    return [{"type": k, "text": text(rng)} if k == "text" else {"type": k} for k in kinds]


def content(rng, may_have_parts):
    return parts(rng) if may_have_parts and rng.random() < 0.6 else text(rng)


def tool_exchange(rng):
    arguments = rng.choice(
        ({"city": "Zürich", "days": 3}, {"query": ["a", "ü"], "limit": 2.5}, {}, {"deep": {"list": [1, None, True, 1e-7]}})
    )
    call = {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    asking = {"role": "assistant", "tool_calls": [call] * rng.choice((1, 1, 2))}
    if rng.random() < 0.5:
        asking["content"] = rng.choice((None, "", "Let me look."))
    answer = rng.choice(("21 °C", '{"temp": 21}', {"temp": 21.5, "sky": "clear"}, ["a", 1]))
    return [asking, {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": answer}]


def messages(rng):
    out = []
    with_parts = rng.random() < 0.3
    if rng.random() < 0.35:
        out.append({"role": "system", "content": content(rng, with_parts)})
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        out.append({"role": "user", "content": content(rng, with_parts)})
        if rng.random() < 0.08:
            out += tool_exchange(rng)
        out.append({"role": "assistant", "content": content(rng, with_parts)})
        if rng.random() < 0.1:
            out[-1][rng.choice(("reasoning_content", "thinking", "reasoning"))] = text(rng)
        if rng.random() < 0.05:
            out[-1]["name"] = "Zoé"
    if rng.random() < 0.6:
        out.pop()
    damage = rng.random()
    if damage < 0.04:
        out.insert(rng.randrange(len(out) + 1), {"role": rng.choice(("user", "assistant", "critic"))})
    elif damage < 0.07:
        out[rng.randrange(len(out))]["content"] = rng.choice((None, 7, 1.5, True, {"text": "x"}))
    elif damage < 0.1:
        out.append(dict(out[-1]))
    return out


def conversation(rng):
    """One request as the program render_lines reads it, without the template."""
    line = {"messages": messages(rng)}
    if rng.random() < 0.5:
        line["add_generation_prompt"] = True
    elif line["messages"][-1]["role"] == "assistant" and rng.random() < 0.4:
        line["continue_final_message"] = True
    variables = {}
    if rng.random() < 0.2:
        variables["tools"] = TOOLS[: rng.randint(1, 2)]
    if rng.random() < 0.1:
        variables["documents"] = [{"title": text(rng), "text": text(rng), "n": 3}]
    for name, values in (
        ("date_string", ("1 May 2025",)),
        ("enable_thinking", (True, False)),
        ("tools_in_user_message", (True, False)),
        ("reasoning_effort", ("high", None)),
    ):
        if rng.random() < 0.15:
            variables[name] = rng.choice(values)
    if variables:
        line["variables"] = variables
    return line


def render(template, line):
    """What transformers makes of it: {"text": ...} or {"error": ...}."""
    from transformers.utils.chat_template_utils import render_jinja_template

    # As apply_chat_template of a tokenizer: keys without a value are dropped.
    chat = [{k: v for k, v in m.items() if v is not None} for m in json.loads(json.dumps(line["messages"]))]
    variables = dict(line.get("variables", {}))
    try:
        rendered, _ = render_jinja_template(
            conversations=[chat],
            tools=variables.pop("tools", None),
            documents=variables.pop("documents", None),
            chat_template=template,
            add_generation_prompt=line.get("add_generation_prompt", False),
            continue_final_message=line.get("continue_final_message", False),
            **{**SPECIAL_TOKENS, **variables},
        )
        return {"text": rendered[0]}
    except Exception as error:
        return {"error": str(error), "raised": type(error).__name__ == "TemplateError"}


def generator(seed):
    return random.Random(seed)
