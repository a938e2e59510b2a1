//! Small templates against what Jinja2 prints, and templates that must be refused.

use quire_text::{ChatTemplate, RenderOptions, SpecialTokens, TextError, Timestamp};
use serde_json::json;

fn render(source: &str) -> Result<String, TextError> {
    let messages = json!([
        {"role": "system", "content": "You are <b>kind</b> & \"brief\"."},
        {"role": "user", "content": " Grüße, 'you' "},
    ]);
    let kwargs = json!({"t": true, "n": null, "i": 7, "f": 1.0, "d": {"b": 1, "a": [1.5, "x", null]}, "text": "aXbXc"});
    let options = RenderOptions {
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
        now: Some(Timestamp { unix_seconds: 1_721_952_000, utc_offset_minutes: 0 }),
        ..RenderOptions::default()
    };
    ChatTemplate::new(source, &SpecialTokens::default())?.render(&messages, &options)
}

#[test]
fn prints_what_python_prints() {
    let rows = [
        ("{{ t }} {{ n }} {{ i }} {{ f }}", "True None 7 1.0"),
        ("{{ d }}", "{'b': 1, 'a': [1.5, 'x', None]}"),
        ("{{ 'a' ~ t ~ n ~ f ~ [1, 'x'] }}", "aTrueNone1.0[1, 'x']"),
        ("{{ [1, 'x'] | string }}|{{ t | string }}", "[1, 'x']|True"),
        ("{{ messages[1].content | tojson }}", "\" Grüße, 'you' \""),
        ("{{ messages[0].content | tojson }}", "\"You are <b>kind</b> & \\\"brief\\\".\""),
        ("{{ messages[1].content | tojson(ensure_ascii=true) }}", "\" Gr\\u00fc\\u00dfe, 'you' \""),
        ("{{ d | tojson(indent=2) }}", "{\n  \"b\": 1,\n  \"a\": [\n    1.5,\n    \"x\",\n    null\n  ]\n}"),
        ("{{ d | tojson(separators=(',', ':'), sort_keys=true) }}", "{\"a\":[1.5,\"x\",null],\"b\":1}"),
        ("{{ {} | tojson(indent=2) }}{{ [] | tojson }}", "{}[]"),
        ("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 4 / 2 }}", "3 -4 2 3.5 1024 2.0"),
        ("{{ 1 + 2 * 3 - 4 ~ 'x' }}", ""),
        ("{{ '%s is %d, %r' % ('a', 3, 'b') }}", "a is 3, 'b'"),
        ("{{ '%s' % t }} {{ '{} {}'.format(n, 1) }}", "True None 1"),
        ("{{ 'ab' * 2 }} {{ [1] * 2 }} {{ [1] + [2] }}", "abab [1, 1] [1, 2]"),
        ("{{ messages[::-1] | map(attribute='role') | join(',') }}", "user,system"),
        ("{{ 'abcdef'[1:4] }} {{ 'abc'[::-1] }} {{ 'abc'[-1] }}", "bcd cba c"),
        ("{{ '  a '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxa'.lstrip('x') }}|{{ 'a\\n'.rstrip('\\n') }}", "a|a|a|a"),
        ("{{ text.split('X') }} {{ text.split('X')[-1] }} {{ text.rsplit('X', 1) }}", "['a', 'b', 'c'] c ['aXb', 'c']"),
        ("{{ text.startswith(('q', 'a')) }} {{ text.endswith('c') }}", "True True"),
        (
            "{{ text.replace('X', '-') }} {{ text | replace('X', '') }} {{ text.replace('X', '-', 1) }}",
            "a-b-c abc a-bXc",
        ),
        ("{{ 'hello world'.title() }} {{ 'a'.upper() }} {{ 'aB'.capitalize() }}", "Hello World A Ab"),
        (
            "{{ text.partition('X') | join('/') }} {{ 'pre-x'.removeprefix('pre-') }} {{ '7'.zfill(3) }}",
            "a/X/bXc x 007",
        ),
        ("{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "b=1;a=[1.5, 'x', None];"),
        ("{{ d.get('z') }} {{ d.get('z', 3) }} {{ d.keys() | list }} {{ d['b'] }}", "None 3 ['b', 'a'] 1"),
        (
            "{{ 'x' is string }} {{ d is mapping }} {{ d is iterable }} {{ [] is sequence }} {{ i is number }}",
            "True True True True True",
        ),
        ("{{ t is true }} {{ n is none }} {{ zz is defined }} {{ zz is not defined }}", "True True False True"),
        (
            "{% set ns = namespace(a=1) %}{% for m in messages %}{% set ns.a = ns.a + loop.index %}{% endfor %}{{ ns.a }}",
            "4",
        ),
        (
            "{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% elif x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
            "13",
        ),
        ("{% for x in [1, 2, 3] if x != 2 %}{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", "1,3"),
        ("{% generation %}a{% set q = 1 %}{% endgeneration %}{{ q is defined }}", "aFalse"),
        ("{%- generation -%} a {%- endgeneration -%} b", "ab"),
        ("{% macro m(a, b='q') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}", "[1q][12]"),
        ("{% set x %}a{{ i }}{% endset %}{{ x }}", "a7"),
        ("{% if i > 3 and not (n or f == 2.0) %}yes{% else %}no{% endif %}", "yes"),
        ("{{ 'a' if t else 'b' }}{{ 'c' if n }}", "a"),
        ("{{ 'x' in 'axb' }} {{ 'z' not in d }} {{ 3 in [1, 3] }}", "True True True"),
        ("a{% raw %}\n{{ x }}\n{% endraw %}b", "a\n{{ x }}\nb"),
        ("{#- gone #}a\n{% if t %}\n  b\n{% endif %}\nc\n", "a\n  b\nc"),
        ("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"),
        ("{{ 'a' 'b' }}{{ \"it's\" }}{{ '}}' }}{{ {'a': {'b': 1}}['a']['b'] }}", "abit's}}1"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{{ ('<'|safe + '<') }}", "<&lt;"),
        ("{{ 'a\\nb' | indent(2) }} {{ ['b', 'a'] | sort | join('-') }} {{ [1, 2] | first }}", "a\n  b a-b 1"),
        ("{{ i | default('x') }}{{ zz | default('x') }}{{ '' | default('y', true) }}", "7xy"),
        ("{{ undefined_name }}|{{ d.nothing }}|", "||"),
        ("{{ \"it's\" | list | length }} {{ 'ab' | upper | lower | trim }}", "4 ab"),
    ];
    let mut wrong = Vec::new();
    for (source, expected) in rows {
        match render(source) {
            Ok(text) if text == expected => {}
            Err(TextError::TemplateRender { .. }) if expected.is_empty() => {}
            other => wrong.push(format!("{source}\n  is     {other:?}\n  should {expected:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn texts_have_the_methods_and_filters_of_python() {
    let rows = [
        // Filters of text print what they are given as Python does.
        (
            "{{ ['integer', none] | upper }}{{ d.a | trim }}{{ d | safe }}",
            "['INTEGER', NONE][1.5, 'x', None]{'b': 1, 'a': [1.5, 'x', None]}",
        ),
        ("{{ [d] | map('upper') | first }}{{ [1] | e }}", "{'B': 1, 'A': [1.5, 'X', NONE]}[1]"),
        (
            "{{ \"it's <a-b> 3rd\" | title }} {{ \"it's 3rd\".title() }} {{ 'straße' | capitalize }} {{ 'ßa' | capitalize }}",
            "It's <A-B> 3rd It'S 3Rd Straße Ssa",
        ),
        ("{{ '<\"' | e }}", "&lt;&#34;"),
        // White space is Python's.
        ("[{{ '\x1c a \x1f'.strip() }}][{{ ' a\x1f' | trim }}][{{ 'a\x1eb'.split() | length }}]", "[a][a][2]"),
        (
            "{{ 'a\x0bb\u{2028}c\\r\\nd\\r'.splitlines() }}{{ 'a\\rb\n'.splitlines(keepends=true) }}",
            "['a', 'b', 'c', 'd']['a\\r', 'b\\n']",
        ),
        ("{{ ' a  b '.split(none, 1) }}{{ ' a  b '.rsplit(none, 1) }}", "['a', 'b '][' a', 'b']"),
        ("{{ 'a\\r\\nb\n' | indent(1) }}|", "a\n b\n|"),
        // Offsets count characters, and arguments have names.
        (
            "{% set s = 'Grüße<x>' %}{{ s.find('<x>') }}{{ s[:s.find('<x>')] }}{{ s.rfind('z') }}{{ s.index('ß') }}",
            "5Grüße-13",
        ),
        (
            "{{ text.split('X', maxsplit=1) }}{{ text.split(sep='X')[1] }}{{ text.replace('X', '', count=1) }}",
            "['a', 'bXc']babXc",
        ),
        (
            "{{ text.find('X', 2) }}{{ text.startswith('b', 2) }}{{ text.endswith('X', 0, 2) }}{{ text.count('X', 2) }}",
            "3TrueTrue1",
        ),
        ("{{ text.rindex('X') }}{{ 'ab'.center(5, '*') }}{{ 'abc'.center(6, '*') }}", "3**ab**abc**"),
        // An endless loop once, and a panic.
        ("{{ text.count('') }}{{ ''.count('') }}", "61"),
        (
            "{{ [][::-1] }}|{{ ''[::-1] }}|{{ [1, 2, 3][5:0:-1] }}{{ [1, 2, 3][-2:] }}{{ text[1:9:2] }}{{ [1][7:] }}",
            "[]||[3, 2][2, 3]XX[]",
        ),
        // Nothing is true of an empty text.
        (
            "{{ ''.isdigit() }}{{ ''.isspace() }}{{ 'a1'.islower() }}{{ 'A 1'.isupper() }}{{ '1'.islower() }}",
            "FalseFalseTrueTrueFalse",
        ),
        ("{{ zz | length }}{{ zz | first }}{{ zz | last }}{{ zz | items | list }}{{ d.zz | count }}", "0[]0"),
        (
            "{{ 'x' | int }} {{ '1_0' | int }} {{ '0x1f' | int(base=16) }} {{ ' 2.9 ' | int }} {{ none | int(7) }} {{ '' | float }} {{ 'x' | float(1.5) }}",
            "0 10 31 2 7 0.0 1.5",
        ),
        // Tuples print as such, and only they are taken apart by %.
        (
            "{{ (1, 'a') }}{{ (1,) }}{{ () }}{{ d.items() | list }}{{ 'aXb'.partition('X') }}",
            "(1, 'a')(1,)()[('b', 1), ('a', [1.5, 'x', None])]('a', 'X', 'b')",
        ),
        (
            "{{ '%s' % [1, 2] }}{{ '%s-%s' % (1, 2) }}{{ (1, 2) | tojson }}{{ (1, 2)[0] }}{{ 2 in (1, 2) }}",
            "[1, 2]1-2[1, 2]1True",
        ),
        ("{% for a, b in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}{% set x, y = 3, 4 %}{{ x }}{{ y }}", "1234"),
        (
            "{{ 'é' | tojson(true) }}{{ 'é' | tojson(false, 2) }}{{ [1, 2].index(2) }}{{ [1].copy() }}",
            "\"\\u00e9\"\"é\"1[1]",
        ),
        ("{% for x in 'ab' %}{{ loop.length }}{{ x }}{{ '.' if loop.last else ',' }}{% endfor %}", "2a,2b."),
        // Numbers keep their digits, and fields may be named, numbered and literal.
        (
            "{{ '%s %s' % (123456.789, -0.0) }} {{ '{} {:.1f} {}'.format(0.1234567, 2.25, 1e22) }}",
            "123456.789 -0.0 0.1234567 2.2 1e+22",
        ),
        (
            "{{ '{1}{0}{x}{{}}'.format(1.5, '{}', x=[7654321.5]) }} {{ '{!r} {!s}'.format('a', none) }}",
            "{}1.5[7654321.5]{} 'a' None",
        ),
        // All line ends are one.
        ("a\r\n{% if t %}\r\nb\rc\r\n{% endif %}\r\n", "a\nb\nc\n"),
    ];
    let mut wrong = Vec::new();
    for (source, expected) in rows {
        match render(source) {
            Ok(text) if text == expected => {}
            other => wrong.push(format!("{source}\n  is     {other:?}\n  should {expected:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_templates_are_errors() {
    let nested = format!("{}x{}", "(".repeat(5_000), ")".repeat(5_000));
    let blocks = "{% if t %}".repeat(5_000);
    let nots = format!("{{{{ {} t }}}}", "not ".repeat(5_000));
    let unary = format!("{{{{ {} 1 }}}}", "-".repeat(5_000));
    let brackets = format!("{{{{ {} }}}}", "[".repeat(5_000));
    let lists = format!("{{{{ {}1{} }}}}", "[".repeat(5_000), "]".repeat(5_000));
    let rows = [
        "{{ 'x' * 10 ** 9 }}",
        "{{ [1] * 10 ** 9 }}",
        "{{ 10 ** 9 * 'x' }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ range(10 ** 12) | list }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in [[[]]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set q %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = q %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('x', 'xxxxxxxx') %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] | join('y') %}{% endfor %}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'x' | center(10 ** 10) }}",
        "{{ 'x'.ljust(10 ** 10) }}",
        "{{ '{}{}'.format(1) }}",
        "{{ '{x}'.format(y=1) }}",
        "{{ '{'.format(1) }}",
        "{{ ('{0}' * 10 ** 4).format('x' * 10 ** 6) }}",
        "{{ 'a\\na' | indent(10 ** 10) }}",
        "{{ [1] | tojson(indent=10 ** 10) }}",
        "{{ [1] | batch(10 ** 12) | list }}",
        "{{ [1] | slice(10 ** 12) | list }}",
        "{{ ('x' * 10 ** 7) | list | length }}",
        "{{ (['x' * 10 ** 6] * 1000) | map('upper') | list | length }}",
        "{{ (['x' * 10 ** 6] * 1000) | pprint | length }}",
        "{{ debug() }}",
        "{{ 1 / 0 }}",
        "{{ 1 % 0 }}",
        "{{ 1 + 'x' }}",
        "{{ zz.a.b }}",
        "{{ zz[1:] }}",
        "{{ none[::-1] }}",
        "{{ [1][::0] }}",
        "{{ [1][] }}",
        "{{ text.split('') }}",
        "{{ text.index('Q') }}",
        "{{ text.upper(1) }}",
        "{{ text.split(of='X') }}",
        "{{ ('x' * 10 ** 7).split('x') | length }}",
        "{{ (' ' * 10 ** 7).split() | length }}",
        "{{ ('\\n' * 10 ** 7).splitlines() | length }}",
        "{% for x in none %}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ d.update({'a': 1}) }}",
        "{% include 'other' %}",
        "{% unknown %}",
        "{% if t %}",
        "{{ 'open }}",
        "{{ t",
        "{# open",
        "{% raw %}open",
        "{{ t ) }}",
        "{{ }}",
        "{% for x %}{% endfor %}",
        &nested.replace('x', "t"),
        &format!("{{{{ {nested} }}}}"),
        &blocks,
        &nots,
        &unary,
        &brackets,
        &lists,
    ];
    for source in rows {
        // The first of the nested rows has no tag: it is text, and no error.
        let is_text = !source.contains('{');
        let result = render(source);
        let start: String = source.chars().take(80).collect();
        assert_eq!(result.is_ok(), is_text, "{start}: {:?}", result.map(|text| text.len()));
    }
    let raised = render("{{ raise_exception('roles must alternate') }}");
    assert!(matches!(raised, Err(TextError::TemplateRaised { message }) if message == "roles must alternate"));
}

#[test]
fn values_nested_by_a_loop_do_not_overflow_the_stack() {
    let rows = [
        "{% set ns = namespace(s=[]) %}{% for i in range(90000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s={}) %}{% for i in range(90000) %}{% set ns.s = {'a': ns.s} %}{% endfor %}{{ ns.s }}",
        "{% set h = namespace() %}{% set ns = namespace(t=h) %}{% for i in range(90000) %}{% set n = namespace() %}{% set t = ns.t %}{% set t.x = n %}{% set ns.t = n %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(90000) %}{% set ns.s = ns.s | batch(1) | list %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{% set ns.b = ns %}{% set q = ns %}",
    ];
    for source in rows {
        let result = render(source);
        assert!(matches!(result, Err(TextError::TemplateLimit { .. })), "{result:?}");
    }
}

#[test]
fn the_final_message_is_continued() {
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}";
    let trimming = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}";
    let deleting = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
    let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well, "}]);
    let parts = json!([{"role": "assistant", "content": [{"type": "text", "text": "A"}]}]);
    let options = RenderOptions { continue_final_message: true, ..RenderOptions::default() };
    let run = |source: &str, messages: &serde_json::Value, options: &RenderOptions| {
        ChatTemplate::new(source, &SpecialTokens::default()).expect("a template").render(messages, options)
    };
    assert_eq!(run(template, &messages, &options).expect("a prompt"), "<user>Hi</s><assistant>Well, ");
    assert_eq!(run(trimming, &messages, &options).expect("a prompt"), "<user>Hi</s><assistant>Well,");
    let by_part = "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}</s>{% endfor %}";
    assert_eq!(run(by_part, &parts, &options).expect("a prompt"), "A");
    let both = RenderOptions { add_generation_prompt: true, ..options.clone() };
    for (source, messages, options) in
        [(deleting, &messages, &options), (template, &json!([]), &options), (template, &messages, &both)]
    {
        assert!(matches!(run(source, messages, options), Err(TextError::ContinueFinalMessage { .. })));
    }
}
