//! All error codes with their pages: one row per code, grouped by the crate that raises it.
//!
//! A code is never reused and never changes its meaning.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($name:ident = $text:literal,)*) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each code has a page in docs/errors")]
        pub enum Code { $($name,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as users see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The page that `mainstem explain-error` shows.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(
                        concat!("../../../../docs/errors/", $text, ".md")
                    ),)*
                }
            }
        }
    };
}

codes! {
    // disk and log
    Log001 = "LOG-001",
    Log002 = "LOG-002",
    Log003 = "LOG-003",
    Log004 = "LOG-004",
    Log005 = "LOG-005",
    Log006 = "LOG-006",
    Log007 = "LOG-007",
    Log008 = "LOG-008",
    Log009 = "LOG-009",
    Log010 = "LOG-010",
    Log011 = "LOG-011",
    Log012 = "LOG-012",
    Log013 = "LOG-013",
    Log014 = "LOG-014",
    Log015 = "LOG-015",
    Log016 = "LOG-016",
    Log017 = "LOG-017",
    Log018 = "LOG-018",
    Log019 = "LOG-019",
    Log020 = "LOG-020",
    Log021 = "LOG-021",
    Log022 = "LOG-022",
    // history
    Hist001 = "HIST-001",
    Hist002 = "HIST-002",
    Hist003 = "HIST-003",
    Hist004 = "HIST-004",
    Hist005 = "HIST-005",
    Hist006 = "HIST-006",
    Hist007 = "HIST-007",
    Hist008 = "HIST-008",
    Hist009 = "HIST-009",
    Hist010 = "HIST-010",
    Hist011 = "HIST-011",
    Hist012 = "HIST-012",
    // store
    Store001 = "STORE-001",
    Store002 = "STORE-002",
    Store003 = "STORE-003",
    Store004 = "STORE-004",
    Store005 = "STORE-005",
    Store006 = "STORE-006",
    // table
    Table001 = "TABLE-001",
    Table002 = "TABLE-002",
    Table003 = "TABLE-003",
    Table004 = "TABLE-004",
    Table005 = "TABLE-005",
    Table006 = "TABLE-006",
    Table007 = "TABLE-007",
    Table008 = "TABLE-008",
    Table009 = "TABLE-009",
    Table010 = "TABLE-010",
    Table011 = "TABLE-011",
    Table012 = "TABLE-012",
    Table013 = "TABLE-013",
    Table020 = "TABLE-020",
    Table021 = "TABLE-021",
    Table022 = "TABLE-022",
    Table023 = "TABLE-023",
    Table024 = "TABLE-024",
    Table025 = "TABLE-025",
    Table026 = "TABLE-026",
    // admit
    Admit001 = "ADMIT-001",
    Admit002 = "ADMIT-002",
    Admit003 = "ADMIT-003",
    Admit004 = "ADMIT-004",
    Admit005 = "ADMIT-005",
    Admit006 = "ADMIT-006",
    Admit007 = "ADMIT-007",
    Admit008 = "ADMIT-008",
    Admit009 = "ADMIT-009",
    Admit010 = "ADMIT-010",
    Admit011 = "ADMIT-011",
    Admit012 = "ADMIT-012",
    Admit013 = "ADMIT-013",
    Admit014 = "ADMIT-014",
    Admit015 = "ADMIT-015",
    Admit020 = "ADMIT-020",
    Admit021 = "ADMIT-021",
    Admit022 = "ADMIT-022",
    Admit023 = "ADMIT-023",
    Admit024 = "ADMIT-024",
    Admit025 = "ADMIT-025",
    Admit026 = "ADMIT-026",
    Admit027 = "ADMIT-027",
    Admit028 = "ADMIT-028",
    Admit029 = "ADMIT-029",
    // catalog
    Cat001 = "CAT-001",
    Cat002 = "CAT-002",
    Cat003 = "CAT-003",
    Cat004 = "CAT-004",
    Cat005 = "CAT-005",
    Cat006 = "CAT-006",
    Cat007 = "CAT-007",
    // sql
    Sql001 = "SQL-001",
    Sql002 = "SQL-002",
    Sql003 = "SQL-003",
    Sql004 = "SQL-004",
    Sql005 = "SQL-005",
    Sql006 = "SQL-006",
    Sql007 = "SQL-007",
    Sql008 = "SQL-008",
    Sql009 = "SQL-009",
    Sql010 = "SQL-010",
    Sql020 = "SQL-020",
    Sql021 = "SQL-021",
    Sql022 = "SQL-022",
    Sql023 = "SQL-023",
    Sql024 = "SQL-024",
    Sql025 = "SQL-025",
    Sql026 = "SQL-026",
    Sql027 = "SQL-027",
    Sql030 = "SQL-030",
    Sql031 = "SQL-031",
    Sql032 = "SQL-032",
    Sql033 = "SQL-033",
    Sql034 = "SQL-034",
    Sql035 = "SQL-035",
    Sql036 = "SQL-036",
    Sql037 = "SQL-037",
    Sql038 = "SQL-038",
    Sql039 = "SQL-039",
    Sql040 = "SQL-040",
    Sql041 = "SQL-041",
    Sql042 = "SQL-042",
    Sql043 = "SQL-043",
    Sql044 = "SQL-044",
    Sql045 = "SQL-045",
    Sql046 = "SQL-046",
    Sql047 = "SQL-047",
    Sql048 = "SQL-048",
    // views
    View001 = "VIEW-001",
    View002 = "VIEW-002",
    View003 = "VIEW-003",
    View004 = "VIEW-004",
    View005 = "VIEW-005",
    View006 = "VIEW-006",
    View007 = "VIEW-007",
    View008 = "VIEW-008",
    View010 = "VIEW-010",
    View014 = "VIEW-014",
    // flow
    Flow001 = "FLOW-001",
    Flow002 = "FLOW-002",
    Flow003 = "FLOW-003",
    Flow004 = "FLOW-004",
    Flow005 = "FLOW-005",
    Flow006 = "FLOW-006",
    Flow007 = "FLOW-007",
    Flow008 = "FLOW-008",
    Flow010 = "FLOW-010",
    Flow011 = "FLOW-011",
    Flow012 = "FLOW-012",
    Flow013 = "FLOW-013",
    // cluster
    Clus001 = "CLUS-001",
    Clus002 = "CLUS-002",
    Clus003 = "CLUS-003",
    Clus004 = "CLUS-004",
    Clus005 = "CLUS-005",
    Clus006 = "CLUS-006",
    Clus007 = "CLUS-007",
    Clus008 = "CLUS-008",
    Clus009 = "CLUS-009",
    Clus010 = "CLUS-010",
    Clus011 = "CLUS-011",
    Clus020 = "CLUS-020",
    Clus021 = "CLUS-021",
    Clus022 = "CLUS-022",
    Clus023 = "CLUS-023",
    Clus024 = "CLUS-024",
    Clus025 = "CLUS-025",
    Clus030 = "CLUS-030",
    Clus031 = "CLUS-031",
    Clus032 = "CLUS-032",
    Clus033 = "CLUS-033",
    Clus034 = "CLUS-034",
    Clus035 = "CLUS-035",
    Clus040 = "CLUS-040",
    Clus041 = "CLUS-041",
    Clus042 = "CLUS-042",
    Clus043 = "CLUS-043",
    Clus044 = "CLUS-044",
    Clus045 = "CLUS-045",
    Clus050 = "CLUS-050",
    Clus051 = "CLUS-051",
    Clus052 = "CLUS-052",
    Clus053 = "CLUS-053",
    Clus054 = "CLUS-054",
    Clus055 = "CLUS-055",
    Clus056 = "CLUS-056",
    Clus057 = "CLUS-057",
    Clus058 = "CLUS-058",
    Clus060 = "CLUS-060",
    Clus061 = "CLUS-061",
    Clus062 = "CLUS-062",
    Clus063 = "CLUS-063",
    Clus064 = "CLUS-064",
    Clus065 = "CLUS-065",
    Clus070 = "CLUS-070",
    Clus071 = "CLUS-071",
    Clus072 = "CLUS-072",
    Clus073 = "CLUS-073",
    Clus080 = "CLUS-080",
    Clus081 = "CLUS-081",
    Clus082 = "CLUS-082",
    Clus083 = "CLUS-083",
    Clus084 = "CLUS-084",
    Clus090 = "CLUS-090",
    Clus091 = "CLUS-091",
    Clus092 = "CLUS-092",
    Clus093 = "CLUS-093",
    Clus094 = "CLUS-094",
    Clus095 = "CLUS-095",
    Clus096 = "CLUS-096",
    Clus100 = "CLUS-100",
    Clus101 = "CLUS-101",
    Clus102 = "CLUS-102",
    Clus110 = "CLUS-110",
    Clus111 = "CLUS-111",
    Clus112 = "CLUS-112",
    Clus113 = "CLUS-113",
    Clus114 = "CLUS-114",
    Clus115 = "CLUS-115",
    // app
    App001 = "APP-001",
    App002 = "APP-002",
    App003 = "APP-003",
    App004 = "APP-004",
    App005 = "APP-005",
    App006 = "APP-006",
    App007 = "APP-007",
    App008 = "APP-008",
    App009 = "APP-009",
    App010 = "APP-010",
    App011 = "APP-011",
    App012 = "APP-012",
    App013 = "APP-013",
    App014 = "APP-014",
    App015 = "APP-015",
    App016 = "APP-016",
    App017 = "APP-017",
    App018 = "APP-018",
    App019 = "APP-019",
    App021 = "APP-021",
    // gateway
    Http001 = "HTTP-001",
    Http002 = "HTTP-002",
    Http003 = "HTTP-003",
    Http004 = "HTTP-004",
    Http005 = "HTTP-005",
    Http006 = "HTTP-006",
    Http007 = "HTTP-007",
    Http008 = "HTTP-008",
    Http009 = "HTTP-009",
    Http010 = "HTTP-010",
    Http011 = "HTTP-011",
    Http012 = "HTTP-012",
    Http013 = "HTTP-013",
    Http014 = "HTTP-014",
    Http015 = "HTTP-015",
    Http016 = "HTTP-016",
    Http017 = "HTTP-017",
    Http018 = "HTTP-018",
    Http019 = "HTTP-019",
    Http020 = "HTTP-020",
    Http021 = "HTTP-021",
    Http022 = "HTTP-022",
    Http023 = "HTTP-023",
    Http024 = "HTTP-024",
    // node
    Node001 = "NODE-001",
    Node002 = "NODE-002",
    Node003 = "NODE-003",
    Node004 = "NODE-004",
    Node005 = "NODE-005",
    Node006 = "NODE-006",
    Node007 = "NODE-007",
    Node008 = "NODE-008",
    Node009 = "NODE-009",
    Node010 = "NODE-010",
    Node011 = "NODE-011",
    Node012 = "NODE-012",
    Node013 = "NODE-013",
    Node014 = "NODE-014",
    Node015 = "NODE-015",
    Node016 = "NODE-016",
    Node017 = "NODE-017",
    Node018 = "NODE-018",
    Node019 = "NODE-019",
    Node020 = "NODE-020",
    Node021 = "NODE-021",
    // mainstem
    Cli001 = "CLI-001",
    Cli002 = "CLI-002",
    Cli003 = "CLI-003",
    Cli004 = "CLI-004",
    Cli005 = "CLI-005",
    Cli006 = "CLI-006",
    Cli007 = "CLI-007",
    Cli008 = "CLI-008",
    Cli009 = "CLI-009",
    Cli010 = "CLI-010",
    Cli011 = "CLI-011",
    Cli012 = "CLI-012",
    Cli013 = "CLI-013",
    Cli014 = "CLI-014",
    Cli015 = "CLI-015",
    Cli016 = "CLI-016",
    Cli017 = "CLI-017",
    Cli018 = "CLI-018",
    Cli019 = "CLI-019",
    Cli020 = "CLI-020",
    Cli021 = "CLI-021",
    Cli022 = "CLI-022",
    Cli023 = "CLI-023",
    Cli024 = "CLI-024",
    Cli025 = "CLI-025",
    Cli026 = "CLI-026",
    Cli027 = "CLI-027",
    Cli028 = "CLI-028",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no error code \"{text}\"")]
pub struct CodeError {
    text: String,
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let wanted = text.to_ascii_uppercase();
        let found = Self::ALL.iter().find(|code| code.as_str() == wanted);
        found.copied().ok_or_else(|| CodeError {
            text: text.to_owned(),
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
