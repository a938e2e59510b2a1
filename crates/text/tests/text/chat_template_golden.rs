//! Renderings of real chat templates, byte for byte as Jinja2 under transformers gives them.

use crate::shared;
use quire_text::{ChatTemplate, RenderOptions, SpecialTokens, TemplateSources, Timestamp, Tokenizer};
use serde_json::Value;

/// 2024-07-26, as in the golden file.
const NOW: Timestamp = Timestamp { unix_seconds: 1_721_952_000, utc_offset_minutes: 0 };

#[test]
fn real_templates_render_as_in_jinja2() {
    let Some(folder) = shared::tokenizers("real_templates_render_as_in_jinja2") else { return };
    let folder = folder.join("chat_templates");
    let golden = shared::json(&folder.join("golden.json"));
    let tokens = SpecialTokens {
        named: vec![("bos_token".into(), "<s>".into()), ("eos_token".into(), "</s>".into())],
        ..SpecialTokens::default()
    };
    let (mut num_texts, mut num_errors, mut wrong) = (0, 0, Vec::new());
    for case in golden["cases"].as_array().expect("cases") {
        let name = case["template"].as_str().expect("a name");
        let source = std::fs::read_to_string(folder.join(name)).expect(name);
        let tools = case["tools"].as_bool() == Some(true);
        let options = RenderOptions {
            tools: tools.then(|| golden["tools"].clone()),
            add_generation_prompt: true,
            now: Some(NOW),
            ..RenderOptions::default()
        };
        let conversation = case["conversation"].as_str().expect("a name");
        let messages = &golden["conversations"][conversation];
        let rendered = ChatTemplate::new(&source, &tokens).and_then(|template| template.render(messages, &options));
        match (rendered, case["output"].as_str()) {
            (Ok(text), Some(expected)) if text == expected => num_texts += 1,
            (Err(_), None) => num_errors += 1,
            (rendered, expected) => {
                wrong.push(format!(
                    "{name} {conversation} tools={tools}\n  is     {rendered:?}\n  should {expected:?} {}",
                    case["error"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((num_texts, num_errors), (356, 34));
}

#[test]
fn chats_have_the_ids_of_transformers() {
    let Some(folder) = shared::tokenizers("chats_have_the_ids_of_transformers") else { return };
    let mut num_chats = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let directory = entry.expect("an entry").path();
        if !directory.join("chat_golden.json").exists() {
            continue;
        }
        let tokenizer = Tokenizer::from_directory(&directory).expect("a tokenizer");
        let sources = TemplateSources::from_directory(&directory).expect("templates");
        let template = ChatTemplate::new(sources.select(None, false).expect("default"), tokenizer.special_tokens());
        let template = template.expect("a template");
        for case in shared::json(&directory.join("chat_golden.json")).as_array().expect("cases") {
            let kwargs = case["kwargs"].as_object().cloned().unwrap_or_default();
            let options = RenderOptions { add_generation_prompt: true, kwargs, ..RenderOptions::default() };
            let text = template.render(&case["messages"], &options).expect("a prompt");
            assert_eq!(Value::from(text.as_str()), case["text"], "{}", directory.display());
            let ids = tokenizer.encode(&text, false).expect("ids");
            assert_eq!(Value::from(ids), case["ids"], "{}", directory.display());
            num_chats += 1;
        }
    }
    assert!(num_chats >= 8, "{num_chats} chats");
}
