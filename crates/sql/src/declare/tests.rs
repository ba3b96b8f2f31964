//! Declarations: what is read, and what a person is told about what is not.

use super::*;

fn files(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn read(text: &str) -> StreamSpec {
    match declarations(&files(&[("a.sql", text)])) {
        Ok(declared) => match &declared[0].declaration {
            Declaration::Stream(spec) => spec.clone(),
            other => panic!("{other:?}"),
        },
        Err(problems) => panic!("{}", printed(&problems)),
    }
}

fn printed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn problems(texts: &[(&str, &str)]) -> String {
    printed(&declarations(&files(texts)).expect_err("expected mistakes"))
}
