//! `Followed`: the relations that are declared, and their topics.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::StreamId;

use super::{Relation, RowsError};
use crate::kafka::{
    KafkaConfig,
    topic::{is_same, name_of, prefix_of},
};

/// The relations that are declared.
#[derive(Debug, Default)]
pub struct Followed {
    /// By id.
    pub relations: BTreeMap<StreamId, Arc<Relation>>,
    /// Those that do not plan.
    pub failed: Vec<RowsError>,
}

impl Followed {
    /// All tables, and all versions of views that are built or live.
    #[must_use]
    pub fn of(defs: &Definitions) -> Self {
        let mut followed = Self::default();
        let tables = defs.tables.values().filter(|def| def.dropped.is_none());
        for def in tables {
            followed.relations.insert(def.id, Relation::of_table(def));
        }
        for def in defs.views.values().filter(|def| def.is_running()) {
            match Relation::of_view(def, defs) {
                Ok(relation) => {
                    followed.relations.insert(def.id, relation);
                }
                Err(source) => followed.failed.push(RowsError::Unplanned {
                    label: Object::View(def).label(),
                    source,
                }),
            }
        }
        followed
    }

    /// The topics of the relations, of those that there are.
    #[must_use]
    pub fn topics(&self, config: &KafkaConfig, there: &[String]) -> BTreeMap<String, StreamId> {
        let topic = |relation: &Arc<Relation>| {
            let wanted = name_of(config, relation.id, &relation.name);
            let prefix = prefix_of(config, relation.id);
            let topic = there.iter().find(|name| is_same(name, &wanted, &prefix))?;
            Some((topic.clone(), relation.id))
        };
        self.relations.values().filter_map(topic).collect()
    }
}
