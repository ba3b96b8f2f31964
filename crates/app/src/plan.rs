//! A plan: what an apply would do, as a tree that can be printed and sent.
//!
//! It never decides: `steps` fills it.

use mainstem_kernel::AppName;
use serde::{Deserialize, Serialize};

/// What an apply would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The application.
    pub app: AppName,
    /// Names what it was planned on and what it does; `apply` refuses another.
    pub fingerprint: String,
    /// What changes; empty if nothing does.
    pub steps: Vec<Step>,
    /// Changes that were made by other means since the last apply, and that `steps` undo as far
    /// as they can be undone.
    pub drift: Vec<String>,
}

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Kind and name: `stream "purchases"`, `view "totals"`.
    pub object: String,
    /// One line per part, with a sign in front: `+` comes, `-` goes, `~` changes, `=` stays and
    /// is worth knowing. `+ column channel TEXT`.
    pub details: Vec<String>,
    /// Whether data is lost, at once or after the seven days.
    pub destructive: bool,
}

/// What a step does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It changes in place.
    Alter,
    /// It goes.
    Drop,
    /// It was dropped and comes back with its data.
    Restore,
    /// It gets another name.
    Rename,
    /// It is computed anew, beside what is there, and takes its place.
    Rebuild,
}

impl Action {
    /// The sign that stands before it in a tree.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Create | Self::Restore => '+',
            Self::Alter | Self::Rename | Self::Rebuild => '~',
            Self::Drop => '-',
        }
    }

    /// The verb that stands before its object.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Alter => "change",
            Self::Drop => "drop",
            Self::Restore => "restore",
            Self::Rename => "rename",
            Self::Rebuild => "rebuild",
        }
    }
}

/// What an apply or rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What was done; without steps if there was nothing to do.
    pub plan: Plan,
    /// The application's revision from now on; 0 if it was never applied.
    pub revision: u32,
}

/// What a piece of a tree is, for whoever colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A change that was made by other means.
    Drift,
    /// The application.
    Title,
    /// What changes, its sign in front.
    Change,
    /// That data is lost.
    Loss,
}

impl Plan {
    /// The plan as a tree for a terminal, one line per part, without colour.
    #[must_use]
    pub fn text(&self) -> String {
        self.tree(|_, text| text.to_owned())
    }

    /// The same, each piece as `paint` has it.
    pub fn tree(&self, paint: impl Fn(Piece, &str) -> String) -> String {
        let mut text = String::new();
        for drift in &self.drift {
            let drift = paint(Piece::Drift, &format!("! drift: {drift}"));
            text.push_str(&format!("{drift}\n"));
        }
        let app = paint(Piece::Title, &format!("application \"{}\"", self.app));
        if self.steps.is_empty() {
            text.push_str(&format!("{app}: nothing changes\n"));
            return text;
        }
        text.push_str(&format!("{app}\n"));
        for (i, step) in self.steps.iter().enumerate() {
            let is_last = i.saturating_add(1) == self.steps.len();
            let (branch, below) = if is_last {
                ("└─", "   ")
            } else {
                ("├─", "│  ")
            };
            let (sign, verb, object) = (step.action.sign(), step.action.verb(), &step.object);
            let change = paint(Piece::Change, &format!("{sign} {verb} {object}"));
            let loss = match step.destructive {
                true => format!(" {}", paint(Piece::Loss, "(loses data)")),
                false => String::new(),
            };
            text.push_str(&format!("{branch} {change}{loss}\n"));
            for line in &step.details {
                let line = paint(Piece::Change, line);
                text.push_str(&format!("{below}   {line}\n"));
            }
        }
        text
    }
}
