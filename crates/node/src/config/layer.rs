//! Lays a file over the defaults and names the first mistake with its line.
//!
//! Each setting of the file is tried alone over the defaults, so that a mistake belongs to one
//! setting and its line is known.

use std::{
    io,
    path::{Path, PathBuf},
};

use mainstem_kernel::{Answer, Code, Fault, Place};
use serde::Deserialize;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{Config, DEFAULT_TOML};

/// Why a file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Caller: remove the setting, or correct its name.
    #[error("there is no setting \"{name}\"")]
    Unknown {
        /// With its section.
        name: String,
        /// Where.
        place: Place,
        /// The setting that is spelled most alike, if one is.
        near: Option<String>,
    },
    /// Caller: correct the value.
    #[error("setting \"{name}\": {reason}")]
    Mistyped {
        /// With its section.
        name: String,
        /// Where.
        place: Place,
        /// What was expected and what was found.
        reason: String,
    },
    /// Caller: correct the file's syntax.
    #[error("the file is not TOML: {reason}")]
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What was expected.
        reason: String,
    },
    /// Caller: correct the path or its rights.
    #[error("file \"{}\" cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Fault for ConfigError {
    fn answer(&self) -> Answer {
        match self {
            Self::Unknown { .. } => Answer::caller(Code::Node004),
            Self::Mistyped { .. } => Answer::caller(Code::Node005),
            Self::Syntax { .. } => Answer::caller(Code::Node006),
            Self::Unreadable { .. } => Answer::caller(Code::Node007),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown {
                near: Some(near), ..
            } => Some(format!("is it \"{near}\"?")),
            Self::Unknown { near: None, .. } | Self::Mistyped { .. } | Self::Syntax { .. } => {
                Some("`mainstem serve --print-config` prints every setting".to_owned())
            }
            Self::Unreadable { .. } => None,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Unknown { place, .. }
            | Self::Mistyped { place, .. }
            | Self::Syntax { place, .. } => Some(place.clone()),
            Self::Unreadable { .. } => None,
        }
    }
}

/// One `name = value` of the file.
struct Setting {
    path: Vec<String>,
    value: Value,
    place: Place,
}

/// Lays `text` over the defaults.
pub(super) fn read(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let defaults: Table = DEFAULT_TOML
        .parse()
        .map_err(|error| syntax(path, text, &error))?;
    let parsed = DeTable::parse(text).map_err(|error| syntax(path, text, &error))?;
    let file = path.display().to_string();
    let mut settings = Vec::new();
    collect(
        parsed.get_ref(),
        &mut Vec::new(),
        &|at| place(&file, text, at),
        &mut settings,
    );
    let mut merged = defaults.clone();
    for setting in settings {
        check(&defaults, &setting)?;
        put(&mut merged, &setting);
    }
    let whole = Config::deserialize(merged);
    whole.map_err(|error| mistyped("memory", place(&file, text, 0), &error))
}

/// Flattens a table into its settings, in the order of the text.
fn collect(
    table: &DeTable<'_>,
    path: &mut Vec<String>,
    place: &dyn Fn(usize) -> Place,
    settings: &mut Vec<Setting>,
) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => collect(inner, path, place, settings),
            other => settings.push(Setting {
                path: path.clone(),
                value: owned(other),
                place: place(key.span().start),
            }),
        }
        path.pop();
    }
}

/// A value without its spans.
fn owned(value: &DeValue<'_>) -> Value {
    Value::deserialize(toml::de::ValueDeserializer::from(toml::Spanned::new(
        0..0,
        value.clone(),
    )))
    .unwrap_or_else(|error| Value::String(error.message().to_owned()))
}

/// Refuses a setting that the defaults do not have, or whose value the types do not take.
fn check(defaults: &Table, setting: &Setting) -> Result<(), ConfigError> {
    let name = setting.path.join(".");
    if !leaves(defaults, "").contains(&name) && !is_section(defaults, &setting.path) {
        let place = setting.place.clone();
        return Err(ConfigError::Unknown {
            near: nearest(defaults, &name),
            name,
            place,
        });
    }
    let mut alone = defaults.clone();
    put(&mut alone, setting);
    match Config::deserialize(alone) {
        Ok(_) => Ok(()),
        Err(error) => Err(mistyped(&name, setting.place.clone(), &error)),
    }
}

fn put(table: &mut Table, setting: &Setting) {
    let Some((last, sections)) = setting.path.split_last() else {
        return;
    };
    let mut table = table;
    for section in sections {
        match table.get_mut(section) {
            Some(Value::Table(inner)) => table = inner,
            _ => return,
        }
    }
    // An empty section says nothing.
    let is_empty = matches!(&setting.value, Value::Table(inner) if inner.is_empty());
    if !is_empty {
        table.insert(last.clone(), setting.value.clone());
    }
}

fn is_section(defaults: &Table, path: &[String]) -> bool {
    matches!(path, [section] if matches!(defaults.get(section), Some(Value::Table(_))))
}

/// All settings of the defaults, with their sections.
fn leaves(table: &Table, prefix: &str) -> Vec<String> {
    let each = table.iter().map(|(key, value)| match value {
        Value::Table(inner) => leaves(inner, &format!("{prefix}{key}.")),
        _ => vec![format!("{prefix}{key}")],
    });
    each.flatten().collect()
}

/// The known setting with the fewest edits to `name`, if they are few; the section may be wrong.
fn nearest(defaults: &Table, name: &str) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let each = leaves(defaults, "").into_iter().map(|known| {
        let known_last = known.rsplit('.').next().unwrap_or(&known);
        (
            distance(known_last, last).min(distance(&known, name)),
            known,
        )
    });
    each.filter(|(edits, _)| *edits <= 3)
        .min()
        .map(|(_, known)| known)
}

/// Edit distance. Source: Wagner and Fischer, "The String-to-String Correction Problem", 1974.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn mistyped(name: &str, place: Place, error: &toml::de::Error) -> ConfigError {
    ConfigError::Mistyped {
        name: name.to_owned(),
        place,
        reason: error.message().to_owned(),
    }
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let place = place(&path.display().to_string(), text, at);
    ConfigError::Syntax {
        place,
        reason: error.message().to_owned(),
    }
}

/// Line and column of a byte of the text.
fn place(file: &str, text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        file: file.to_owned(),
        line: number(line),
        column: number(column),
    }
}
