//! How one stream or table becomes what it is to be: what people are shown, and the changes. Pure.

use mainstem_catalog::{Change, Kind, Label, StreamDef, StreamSpec, TableDef, TableSpec};
use mainstem_kernel::Seq;

use crate::{
    describe::{self, Difference},
    goal::Want,
    plan::{Action, Step},
    words,
};

/// How one stream or table becomes what it is to be.
pub(super) enum Way {
    /// It is new.
    New {
        object: Label,
        details: Vec<String>,
        create: Box<Change>,
    },
    /// It is there, or was.
    On(Box<On>),
}

/// From what is there to what it is to be.
pub(super) struct On {
    /// As it is called now.
    object: Label,
    pub(super) dropped: Option<Seq>,
    is_renamed: bool,
    /// Whether anything differs, if only the statement's text.
    pub(super) is_other_text: bool,
    pub(super) difference: Difference,
    pub(super) restore: Change,
    pub(super) alter: Change,
}

pub(super) fn stream(want: &Want<StreamSpec, StreamDef>) -> Way {
    let spec = &want.spec;
    let Some(def) = &want.from else {
        return Way::New {
            object: words::label(Kind::Stream, &spec.name),
            details: describe::all_of(spec),
            create: Box::new(Change::CreateStream(spec.clone())),
        };
    };
    let id = def.id;
    Way::On(Box::new(On {
        object: words::label(Kind::Stream, &def.spec.name),
        dropped: def.dropped,
        is_renamed: def.spec.name != spec.name,
        is_other_text: def.spec != *spec,
        difference: describe::between(&def.spec, spec),
        restore: Change::RestoreStream { id },
        alter: Change::AlterStream {
            id,
            spec: spec.clone(),
        },
    }))
}

pub(super) fn table(want: &Want<TableSpec, TableDef>) -> Way {
    let spec = &want.spec;
    let Some(def) = &want.from else {
        return Way::New {
            object: words::label(Kind::Table, &spec.name),
            details: describe::all_of_table(spec),
            create: Box::new(Change::CreateTable(spec.clone())),
        };
    };
    let id = def.id;
    Way::On(Box::new(On {
        object: words::label(Kind::Table, &def.spec.name),
        dropped: def.dropped,
        is_renamed: def.spec.name != spec.name,
        is_other_text: def.spec != *spec,
        difference: describe::between_tables(&def.spec, spec),
        restore: Change::RestoreTable { id },
        alter: Change::AlterTable {
            id,
            spec: spec.clone(),
        },
    }))
}

impl On {
    pub(super) fn step(self, notes: impl Iterator<Item = String>) -> Step {
        let action = match self.dropped {
            Some(_) => Action::Restore,
            None if self.is_renamed => Action::Rename,
            None => Action::Alter,
        };
        let back = self
            .dropped
            .map(|at| format!("= with its rows; it was dropped at {}", at.arrival()));
        let Difference { lines, destructive } = self.difference;
        Step {
            action,
            object: self.object.to_string(),
            details: back.into_iter().chain(lines).chain(notes).collect(),
            destructive,
        }
    }
}
