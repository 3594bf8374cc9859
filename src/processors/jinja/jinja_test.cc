// The language, construct by construct. Expected texts are those of jinja2 3.1.6 as transformers
// configures it, with the two messages below.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gemma3n/chat.h"

namespace gemma3n {
namespace {

std::string render(const std::string& source) {
  const std::vector<Message> messages = {text_message("user", "hi"),
                                         text_message("assistant", "yo")};
  return ChatTemplate(source).render(messages);
}

void expect(const std::string& source, const std::string& text) {
  SCOPED_TRACE(source);
  try {
    EXPECT_EQ(render(source), text);
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

TEST(Jinja, Arithmetic) {
  expect(
      "{{ 1 + 2 * 3 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** "
      "3 ** 2 }} {{ -2 ** 2 }}",
      "7 -4 2 3.5 1024 0.5 64 4");
  expect(
      "{{ 1.5 % -1 }} {{ -7.5 // 2 }} {{ 1e16 }} {{ 1e15 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ "
      "0o17 }} {{ true + 1 }} {{ 0.1 + 0.2 }} {{ -0.0 }}",
      "-0.5 -4.0 1e+16 1000000000000000.0 1000 31 5 15 2 0.30000000000000004 -0.0");
  expect(
      "{{ 'ab' * 2 }}{{ [1] * 2 }}{{ (1,) + (2,) }}{{ [1] + [2] }}{{ -1 * 'a' }}|{{ 'a' ~ 1 ~ none "
      "~ true ~ [1] }}",
      "abab[1, 1](1, 2)[1, 2]|a1NoneTrue[1]");
}

TEST(Jinja, Literals) {
  expect(
      "{{ [1, 'b', 2.0, none, true] }} {{ (1,) }} {{ () }} {{ {'a': 1, 2: [3]} }} {{ {1: 'a', 1.0: "
      "'b', true: 'c'} }}",
      "[1, 'b', 2.0, None, True] (1,) () {'a': 1, 2: [3]} {1: 'c'}");
  expect(
      R"({{ 'a\n\t\\\'\x41\u00e9\U0001F600\101\q' }} {{ "x" 'y' }} {{ ["it's", 'tab\t', 'é\u200b'] }})",
      "a\n\t\\'Aé😀A\\q xy [\"it's\", 'tab\\t', 'é\\u200b']");
}

TEST(Jinja, Comparisons) {
  expect(
      "{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' "
      "in 'abc' }} {{ 2 not in [1] }} {{ 'k' in {'k': 1} }} {{ (1, 2) == [1, 2] }} {{ none == "
      "nothing }}",
      "True False True True True True True True False False");
  expect(
      "{{ 0 or 'x' }} {{ '' and 1 }}| {{ not [] }} {{ 1 and 2 or 3 }} {{ 'a' if 0 else 'b' }} {{ "
      "'a' if 0 }}| {{ 1 if 0 else 2 if 0 else 3 }}",
      "x | True 2 b | 3");
}

TEST(Jinja, Subscripts) {
  expect(
      "{{ [1, 2, 3][::-1] }} {{ 'hello'[1:3] }} {{ 'hello'[::-2] }} {{ (1, 2, 3)[-1] }} {{ "
      "'héllo'[1] }} {{ 'abc'[5] }}| {{ [1, 2, 3][-2:] }} {{ [[1, 2]].0.1 }} {{ range(9)[2:8:2] }} "
      "{{ 'abc'[-9:9] }}",
      "[3, 2, 1] el olh 3 é | [2, 3] 2 range(2, 8, 2) abc");
  expect(
      "{{ {'items': 1}.items is callable }} {{ {'items': 1}['items'] }} {{ {'a': {'b': 2}}.a.b }} "
      "{{ {'a': 1}['b'] }}| {{ messages[0].role }} {{ messages[0]['nope'] }}|",
      "True 1 2 | user |");
}

TEST(Jinja, Loops) {
  expect(
      "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ "
      "loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.cycle('a', 'b') "
      "}}{{ loop.depth }};{% endfor %}",
      "1032TrueFalse3a1;2121FalseFalse3b1;3210FalseTrue3a1;");
  expect(
      "{% for x in [1, 2, 3, 4, 5] if x is odd %}{{ x }}({{ loop.previtem }}<{{ loop.nextitem "
      "}}){{ loop.changed(x // 4) }}{% endfor %}",
      "1(<3)True3(1<5)False5(3<)True");
  expect(
      "{% for x in [] %}x{% else %}none{% endfor %}{% for x in [1] %}{% continue %}{% else %} all "
      "cut short{% endfor %}{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% "
      "endfor %}",
      "none all cut short1");
  expect(
      "{% for k, (a, b) in {'x': (1, 2)}.items() %}{{ k }}{{ a }}{{ b }}{% endfor %}{% for x in "
      "[[1, [2, [3]]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ x }}@{{ "
      "loop.depth }}{% endif %}{% endfor %}",
      "x12<1@2<2@3<3@4>>>");
  expect(
      "{% set x = 1 %}{% for i in [1] %}{{ x }}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}{% if true "
      "%}{% set x = 3 %}{% endif %}{{ x }}{% for a in [1, 2] %}{% for b in [3] %}{{ loop.index "
      "}}{% endfor %}{{ loop.index }}{% endfor %}",
      "12131112");
  expect(
      "{% for i in range(2) %}{{ loop }}{% endfor %}{% for c in 'né' %}{{ c }}.{% endfor %}{% for "
      "i in nothing %}x{% endfor %}{% for i in {'a': 1} %}{{ i }}{% endfor %}",
      "<LoopContext 1/2><LoopContext 2/2>n.é.a");
}

TEST(Jinja, Assignments) {
  expect(
      "{% set a, b = 1, [2] %}{{ a }}{{ b }}{% set ns = namespace(x=1, y='z') %}{% for i in "
      "range(3) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns }}{{ ns.nope }}",
      "1[2]4<Namespace {'x': 4, 'y': 'z'}>");
  expect(
      "{% set t %} a {{ 1 + 1 }} {% endset %}[{{ t }}]{% set u | trim | upper %} b {% endset %}[{{ "
      "u }}]{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}",
      "[ a 2 ][B]1");
  expect(
      "{% filter upper | replace('B', '-') %}ab{{ 'c' }}{% endfilter %}{% block body %}x{% "
      "endblock %}{% print 1, 'a' %}",
      "A-Cx1a");
}

TEST(Jinja, Macros) {
  expect(
      "{% macro f(a, b='x', c=a) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ "
      "f(1) }}|{{ f(1, 2, 3, 4, z=5) }}|{{ f(b=1) }}|{{ f }}{{ f.name }}{{ f.arguments }}{{ "
      "f.catch_kwargs }}",
      "1x1(){}|123(4,){'z': 5}|1(){}|<Macro 'f'>f('a', 'b', 'c')True");
  expect(
      "{% macro g(t) %}<{{ t }}>{{ caller('q') }}</{{ t }}>{% endmacro %}{% call(x) g('b') %}in {{ "
      "x }}{% endcall %}{% macro h() %}{{ caller is defined }}{% endmacro %}{{ h() }}",
      "<b>in q</b>False");
  expect(
      "{% macro depth(n) %}{{ n }}{% if n > 0 %}{{ depth(n - 1) }}{% endif %}{% endmacro %}{{ "
      "depth(5) }}{% set y = 1 %}{% macro late() %}{{ y }}{% endmacro %}{% set y = 2 %}{{ late() "
      "}}",
      "5432102");
}

TEST(Jinja, WhiteSpace) {
  expect("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc");
  expect("a  {%- if true -%}  b  {%- endif %}  c", "ab  c");
  expect("  {%+ if true %}\nx{% endif +%}\ny {{- ' z ' -}} w\n", "  x\ny z w");
  expect("{# a #}\nb\n  {# c #}\nd{#- e -#} f\n\n", "b\ndf\n");
  expect("{% raw %} {{ x }} {% y %}\n{% endraw %}\nz {%- raw -%}  q  {%- endraw -%}  r",
         " {{ x }} {% y %}\nzqr");
  expect("a\r\nb\rc\n", "a\nb\nc");
}

TEST(Jinja, TextFilters) {
  expect(
      R"({{ 'hello wORLD-foo (bar)' | title }} {{ 'aBC' | capitalize }} {{ 'x' | center(5) }}| {{ ' x ' | trim }}{{ 'xxaxx' | trim('x') }} {{ 'aXbX' | replace('X', '-', 1) }} {{ '<a href="x">&\'</a>' | e }} {{ '<b>x</b> <!-- c --> y' | striptags }})",
      "Hello World-Foo (Bar) Abc   x  | xa a-bX &lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt; x "
      "y");
  expect(
      "{{ 'a\nb\n\nc' | indent(2) }} {{ 'a\nb' | indent('> ', true) }} {{ 'foo bar baz qux' | "
      "truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar' | truncate(3, "
      "end='', leeway=0) }} {{ 'hello big world' | wordwrap(7) }} {{ 'a b_c, é' | wordcount }}",
      "a\n  b\n\n  c > a\n> b foo... foo ba... foo hello\nbig\nworld 3");
  expect(
      "{{ 'a b&c/d?é' | urlencode }} {{ {'a': 1, 'b c': 'd/e'} | urlencode }} {{ {'id': 'x', 'n': "
      "none, 'c': '<'} | xmlattr }} {{ '%s-%d' | format('a', 3) }} {{ 13000000 | filesizeformat }} "
      "{{ 2048 | filesizeformat(true) }} {{ {'b': 1, 'a': [2]} | pprint }} {{ 5 | string | length "
      "}}",
      R"(a%20b%26c/d%3F%C3%A9 a=1&b+c=d%2Fe  id="x" c="&lt;" a-3 13.0 MB 2.0 KiB {'a': [2], 'b': 1} 1)");
  expect(
      "{{ {'é<>&': 'a\"\\\\\n\177', 'b': [1, 2.5, none, true, []]} | tojson }} {{ {'b': 1, 'a': "
      "{}} | tojson(indent=2, sort_keys=true) }} {{ 'é😀' | tojson(ensure_ascii=true) }} {{ [1, "
      "{'a': 2}] | tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, 1.5: 4} | tojson }}",
      "{\"é<>&\": \"a\\\"\\\\\\n\177\", \"b\": [1, 2.5, null, true, []]} {\n  \"a\": {},\n  \"b\": "
      "1\n} \"\\u00e9\\ud83d\\ude00\" [1,{\"a\":2}] {\"1\": 2, \"null\": 3, \"1.5\": 4}");
}

TEST(Jinja, NumberFilters) {
  expect(
      "{{ 3.9 | int }} {{ '42.9' | int }} {{ 'x' | int(7) }} {{ '0x1f' | int(base=16) }} {{ ' 12 ' "
      "| int }} {{ none | int }} {{ '1e3' | float }} {{ 'x' | float }} {{ 2.5 | round }} {{ "
      "3.14159 | round(2) }} {{ 2.675 | round(2) }} {{ 42.55 | round(1, 'floor') }} {{ 42.1 | "
      "round(method='ceil') }} {{ 5 | round }} {{ -3 | abs }} {{ -2.5 | abs }}",
      "3 42 7 31 12 0 1000.0 0.0 2.0 3.14 2.67 42.5 43.0 5 3 2.5");
}

TEST(Jinja, SequenceFilters) {
  expect(
      "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | "
      "sort(case_sensitive=true, reverse=true) }} {{ [{'a': 2, 'b': 1}, {'a': 1, 'b': 2}] | "
      "sort(attribute='a,b') }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | "
      "dictsort(by='value', reverse=true) }}",
      "[1, 2, 3] ['A', 'b', 'c'] ['b', 'A'] [{'a': 1, 'b': 2}, {'a': 2, 'b': 1}] [('A', 2), ('b', "
      "1)] [('a', 2), ('b', 1)]");
  expect(
      "{{ [1, 2, 3, 4, 5] | batch(2, 0) | list }} {{ [1, 2, 3, 4, 5] | slice(2, 'x') | list }} {{ "
      "[{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'b': 4}] | groupby('a', default=0) }} {% for g in "
      "[{'t': 'X'}, {'t': 'x'}] | groupby('t') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}",
      "[[1, 2], [3, 4], [5, 0]] [[1, 2, 3], [4, 5, 'x']] [(0, [{'b': 4}]), (1, [{'a': 1, 'b': 2}, "
      "{'a': 1, 'b': 3}])] X2");
  expect(
      "{{ ['a', 'A', 'b'] | unique | list }} {{ [1, 5, 2] | max }} {{ ['b', 'A'] | min }} {{ [] | "
      "max }}| {{ [1, 2] | sum }} {{ [{'n': 1}, {'n': 2}] | sum(attribute='n', start=10) }} {{ [1, "
      "2] | first }} {{ 'abc' | last }} {{ [] | first }}| {{ 'abc' | reverse }} {{ [1, 2] | "
      "reverse | list }} {{ {'a': 1} | items | list }}",
      "['a', 'b'] 5 A | 3 13 1 c | cba [2, 1] [('a', 1)]");
  expect(
      "{{ [1, 2, 3] | select('gt', 1) | list }} {{ [0, 1, ''] | select | list }} {{ [1, 2] | "
      "reject('odd') | list }} {{ messages | selectattr('role', 'equalto', 'user') | "
      "map(attribute='content') | list }} {{ messages | rejectattr('role', 'in', ['user']) | list "
      "| length }} {{ ['a'] | map('replace', 'a', 'b') | join }} {{ [{'a': {'b': 1}}, {}] | "
      "map(attribute='a.b', default='-') | join(',') if false else 'skip' }} {{ [[1, 2]] | "
      "map(attribute=1) | list }}",
      "[2, 3] [1] [2] ['hi'] 1 b skip [2]");
  expect(
      "{% set g = [1, 2] | map('string') %}{{ g | list }}{{ g | list }} {{ nothing | default('d') "
      "}} {{ '' | d('e', true) }} {{ none | default('f') }} {{ [1, 2] | join('-') }} {{ 'abc' | "
      "join('.') }} {{ 'ab' | list }} {{ [1] | count }} {{ {'a': 1} | attr('keys') is callable }}",
      "['1', '2'][] d e None 1-2 a.b.c ['a', 'b'] 1 True");
}

TEST(Jinja, Tests) {
  expect(
      "{{ 1 is odd }}{{ 2 is even }}{{ 9 is divisibleby 3 }}{{ x is defined }}{{ x is undefined "
      "}}{{ none is none }}{{ true is boolean }}{{ 1 is boolean }}{{ 1 is integer }}{{ true is "
      "integer }}{{ 1.0 is float }}{{ true is number }}{{ 'a' is string }}{{ {} is mapping }}{{ [] "
      "is iterable }}{{ 1 is iterable }}{{ 'a' is sequence }}{{ {}.keys() is sequence }}",
      "TrueTrueTrueFalseTrueTrueTrueFalseTrueFalseTrueTrueTrueTrueTrueFalseTrueFalse");
  expect(
      "{{ 'a' is lower }}{{ 'A1' is upper }}{{ range is callable }}{{ none is sameas none }}{{ 'x' "
      "| e is escaped }}{{ 'trim' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}{{ 1 is in "
      "[1] }}{{ 1 is eq 1 }}{{ 1 is ne 1 }}{{ 1 is lt 2 }}{{ 2 is ge(2) }}{{ false is false }}{{ "
      "true is true }}{{ 1 is not none }}{{ not 1 is odd }}",
      "TrueTrueTrueTrueTrueTrueFalseTrueTrueTrueFalseTrueTrueTrueTrueTrueFalse");
}

TEST(Jinja, StringMethods) {
  expect(
      R"({{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(None, 1) }} {{ 'a.b.c'.rsplit('.', 1) }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'k=v=w'.partition('=') }} {{ 'k=v=w'.rpartition('=') }} {{ '-'.join(['a', 'b']) }})",
      "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b c'] ['a.b', 'c'] ['a', 'b', 'c'] ('k', '=', 'v=w') "
      "('k=v', '=', 'w') a-b");
  expect(
      "{{ 'abcabc'.find('c') }}{{ 'abcabc'.rfind('c') }}{{ 'abc'.find('x') }}{{ 'héé'.find('é', 2) "
      "}}{{ 'banana'.count('an') }}{{ 'abc'.count('') }} {{ 'abc'.startswith('ab') }}{{ "
      "'abc'.endswith(('x', 'c')) }}{{ 'abc'.startswith('b', 1) }} {{ 'abc'.replace('b', 'x') }} "
      "{{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }} {{ "
      "'prefix-x'.removeprefix('prefix-') }}{{ 'x.py'.removesuffix('.py') }}",
      "25-1224 TrueTrueTrue axc bba -a-b- xx");
  expect(
      "{{ 'x'.ljust(3, '.') }}{{ 'x'.rjust(3) }}{{ 'x'.center(4, '*') }}{{ '-5'.zfill(4) }} {{ "
      "'..x..'.strip('.') }}{{ ' x '.lstrip() }}{{ ' x '.rstrip() }}| {{ 'a\tb'.expandtabs(4) }} "
      "{{ 'aB'.swapcase() }} {{ \"they're bill's\".title() }} {{ 'ABC'.lower() }}{{ 'ß'.upper() }} "
      "{{ 'Ab'.casefold() }}",
      "x..  x*x**-005 xx  x| a   b Ab They'Re Bill'S abcSS ab");
  expect(
      R"({{ 'ab1'.isalnum() }}{{ 'ab1'.isalpha() }}{{ '12'.isdigit() }}{{ '²'.isdecimal() }}{{ '½'.isnumeric() }}{{ ' '.isspace() }}{{ ''.isspace() }}{{ 'a b'.isidentifier() }}{{ 'Ab Cd'.istitle() }}{{ 'é'.isascii() }}{{ 'A1'.isupper() }}{{ 'a\n'.isprintable() }})",
      "TrueFalseTrueFalseTrueTrueFalseFalseTrueFalseTrueFalse");
}

TEST(Jinja, Formatting) {
  expect(
      "{{ '%s-%05d-%.2f-%x-%X-%o-%e-%g-%c-%%' % ('a', 42, 3.14159, 255, 255, 8, 12345.678, 0.0001, "
      "65) }} {{ '%r %5s|%-5s|%+d|% d' % ('x', 'a', 'b', 3, 4) }} {{ '%(a)s %(b)03d' % {'a': 1, "
      "'b': 2} }} {{ '%s' % [1] }} {{ '%#x %5.1f|%-8.3e|' % (255, 2.25, 1234.5) }}",
      "a-00042-3.14-ff-FF-10-1.234568e+04-0.0001-A-% 'x'     a|b    |+3| 4 1 002 [1] 0xff   "
      "2.2|1.234e+03|");
  expect(
      "{{ '{} {}'.format('a', 1) }} {{ '{1}{0}{1}'.format('a', 'b') }} {{ "
      "'{x.role}{x[content]}'.format(x=messages[0]) }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', "
      "'b', 'c', 'd') }} {{ '{:05d} {:,} {:+} {:x} {:#b} {:_}'.format(42, 1234567, 3, 255, 5, "
      "9999) }} {{ '{:.2f} {:e} {:%} {:g} {:.3} {:10.1f}|'.format(3.14159, 1234.5, 0.25, 0.00001, "
      "2.0, 7.25) }} {{ '{!r:>6} {{}} {:{}}'.format('a', 'b', 4) }}",
      "a 1 bab userhi     a|b    |  c  |***d*** 00042 1,234,567 +3 ff 0b101 9_999 3.14 "
      "1.234500e+03 25.000000% 1e-05 2.0        7.2|    'a' {} b   ");
}

TEST(Jinja, DictsAndGlobals) {
  expect(
      "{% set d = {'a': 1, 'b': 2} %}{{ d.keys() }}{{ d.values() }}{{ d.items() }}{{ d.get('x', 0) "
      "}}{{ d.get('a') }}{{ d | length }}{{ d.copy() == d }}{{ [1, 2, 1].count(1) }}{{ [1, "
      "2].index(2) }}",
      "dict_keys(['a', 'b'])dict_values([1, 2])dict_items([('a', 1), ('b', 2)])012True21");
  expect(
      "{{ dict(a=1, b=2) }}{{ dict([('x', 1)], y=2) }}{{ range(3) }}{{ range(1, 7, 2) | list }}{{ "
      "range(3, 0, -1) | list }}{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ "
      "c.next() }}{{ c.next() }}{% set j = joiner('; ') %}{{ j() }}{{ j() }}{{ j() }}",
      "{'a': 1, 'b': 2}{'x': 1, 'y': 2}range(0, 3)[1, 3, 5][3, 2, 1]abba; ; ");
  expect(
      "{{ nothing }}|{{ ''.__class__ }}|{{ [].append }}|{{ messages | tojson }}|{{ messages }}|{% "
      "generation %}g{% endgeneration %}",
      R"(|||[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]|[{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': 'yo'}]|g)");
}

TEST(Jinja, Markup) {
  expect(
      "{{ '<a>' | safe }}{{ ('<a>' | safe) + '<b>' }}{{ '<' | e | e }}{{ ('<' | e) ~ '<' }}{{ "
      "'<x>' | forceescape }}{{ ['<' | e] }}{{ ('a' | safe).upper() is escaped }}",
      "<a><a>&lt;b&gt;&lt;&lt;<&lt;x&gt;[Markup('&lt;')]True");
}

TEST(Jinja, WhatPythonRaisesIsAnError) {
  for (const char* source : {"{{ nothing.a }}",
                             "{{ nothing + 1 }}",
                             "{{ 'a' + 1 }}",
                             "{{ 1 / 0 }}",
                             "{{ 1 < 'a' }}",
                             "{{ [] < {} }}",
                             "{{ 1 | length }}",
                             "{{ none() }}",
                             "{{ {[]: 1} }}",
                             "{% set d = {} %}{{ d[:1] }}",
                             "{% set d = [1] %}{{ d[:'a'] }}",
                             "{% for x in 1 %}{% endfor %}",
                             "{% set a, b = [1] %}",
                             "{% set a, b = [1, 2, 3] %}",
                             "{% set d = {} %}{% set d.x = 1 %}",
                             "{% set ns = namespace(_x=1) %}",
                             "{{ 1 | nofilter }}",
                             "{{ 1 is notest }}",
                             "{{ [].append(1) }}",
                             "{{ ''.__class__.__mro__ }}",
                             "{{ '%d' % 'a' }}",
                             "{{ '%s' % (1, 2) }}",
                             "{{ '%s %s' % 1 }}",
                             "{{ '{}'.format() }}",
                             "{{ '{0}{}'.format(1) }}",
                             "{{ ''.join([1]) }}",
                             "{{ 'a'.split('') }}",
                             "{{ [1].index(2) }}",
                             "{{ ['a', 1] | sort }}",
                             "{{ [[1], 2] | unique | list }}",
                             "{{ range | tojson }}",
                             "{{ nothing | tojson }}",
                             "{{ range(100001) }}",
                             "{{ range(1, 2, 0) }}",
                             "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
                             "{% macro f(a) %}{% endmacro %}{{ f(b=1) }}",
                             "{% for x in [1] %}{{ loop([1]) }}{% endfor %}",
                             "{{ [1] | map | list }}",
                             "{{ 'x' | truncate(1) }}",
                             "{{ raise_exception('x') }}",
                             "{{ [1, 2] | map('upper') | last }}",
                             "{{ [1] | groupby }}",
                             "{{ dict(1) }}",
                             "{{ cycler() }}",
                             "{{ 'a' in 1 }}",
                             "{{ 1 in 'a' }}",
                             "{{ nothing | int }}",
                             "{{ 1 | replace('a') }}",
                             "{{ 'a' | indent(none) }}",
                             "{{ -'a' }}"}) {
    try {
      ADD_FAILURE() << source << " gave " << render(source);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << source << ": " << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with("chat template line 1: ")) << error.what();
    }
  }
}

TEST(Jinja, WhatJinjaCannotCompileIsCorrupt) {
  for (const char* source : {"{{",
                             "{{ 1",
                             "{% if %}{% endif %}",
                             "{% if 1 %}",
                             "{% endif %}",
                             "{% for x %}{% endfor %}",
                             "{% for 1 in x %}{% endfor %}",
                             "{{ 1 + }}",
                             "{{ (1 }}",
                             "{{ ) }}",
                             "{{ [1} }}",
                             "{{ 'a }}",
                             "{{ a. }}",
                             "{{ a b }}",
                             "{% unknown %}",
                             "{% set true = 1 %}",
                             "{% break %}",
                             "{% for loop in x %}{% endfor %}",
                             "{% for a in b %}{% set loop = 1 %}{% endfor %}",
                             "{{ f(a=1, 2) }}",
                             "{{ f(a=1, a=2) }}",
                             "{% macro f(a=1, b) %}{% endmacro %}",
                             "{% macro f(a, a) %}{% endmacro %}",
                             "{% call 1 %}{% endcall %}",
                             "{{ a is b is c }}",
                             "{# x",
                             "{% raw %} ",
                             "{{ 1 $ 2 }}",
                             "{{ '\\x1' }}",
                             "{% block a %}{% endblock %}{% block a %}{% endblock %}",
                             "{% for x in y %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
                             "{{ }}",
                             "{{ a if }}",
                             "{% set %}",
                             "{% with a %}{% endwith %}",
                             "{% filter %}{% endfilter %}"}) {
    try {
      ChatTemplate compiled(source);
      ADD_FAILURE() << source << " compiled";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << source << ": " << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with("chat template line 1: ")) << error.what();
    }
  }
}

// Where a silent difference would be possible, the engine says that it cannot do it.
TEST(Jinja, WhatTheEngineDoesNotHaveIsUnsupported) {
  for (const char* source :
       {"{{ [1] | random }}", "{{ 'x' | urlize }}", "{{ lipsum() }}", "{{ 'a'.encode() }}",
        "{{ 1 .real }}", "{{ [1] | map('abs') }}", "{{ range }}", "{{ self }}",
        "{{ 1 is sameas 1 }}", "{{ 1234 | round(-2) }}", "{{ 'é'.casefold() }}", "{{ '٣' | int }}",
        "{{ strftime_now('%f') }}", "{{ 'a-b' | wordwrap(2) }}", "{{ '&amp;' | striptags }}",
        "{% include 'x' %}", "{% extends 'x' %}"}) {
    try {
      ADD_FAILURE() << source << " gave " << render(source);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << source << ": " << error.what();
    }
  }
}

TEST(Jinja, TheDateIsTheLocalOne) {
  const std::string year = render("{{ strftime_now('%Y') }}");
  EXPECT_EQ(year.size(), 4u);
  EXPECT_GE(year, "2025");
  EXPECT_EQ(render("{{ strftime_now('') }}|{{ strftime_now('%%') }}"), "|%");
}

}  // namespace
}  // namespace gemma3n
