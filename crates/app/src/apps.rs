//! `Apps`: plans and applies applications over a catalog.
//!
//! It never decides by itself: every decision is a pure function of definitions and source.

use std::sync::Arc;

use mainstem_catalog::{Catalog, CatalogError, Definitions};
use mainstem_kernel::{Problem, TenantId};
use mainstem_sql::Declared;

use crate::{
    Source, check,
    drift::{self, Stored},
    errors::AppError,
    goal::{self, Goal, Scope},
    plan::{Applied, Plan},
    steps::{self, Planned},
    terms::Terms,
};

/// Times that a plan is carried out anew when others change definitions meanwhile.
const TRIES_MAX: usize = 5;

/// Plans and applies applications.
#[derive(Debug)]
pub struct Apps {
    catalog: Arc<Catalog>,
    terms: Arc<dyn Terms>,
}

impl Apps {
    /// Makes it over a catalog, for the engine of these terms.
    #[must_use]
    pub fn open(catalog: Arc<Catalog>, terms: Arc<dyn Terms>) -> Arc<Self> {
        Arc::new(Self { catalog, terms })
    }

    /// What an apply would change.
    ///
    /// # Errors
    /// `Mistakes` of the source, or that a change is not allowed.
    pub fn plan(&self, tenant: TenantId, source: &Source) -> Result<Plan, AppError> {
        let definitions = self.catalog.definitions();
        Ok(plan((&definitions, &*self.terms), tenant, source)?.plan)
    }

    /// Does what the plan of that fingerprint says; blocks until it is durable. If nothing is left
    /// to do it does nothing, whatever the fingerprint: so a repeated apply is safe.
    ///
    /// # Errors
    /// `Stale` when the plan is another by now.
    pub fn apply(
        &self,
        tenant: TenantId,
        source: &Source,
        fingerprint: &str,
    ) -> Result<Applied, AppError> {
        self.perform(fingerprint, |known| plan(known, tenant, source))
    }

    /// What a rollback to the revision before would change. It is an apply like any other, so a
    /// rollback after a rollback leads back to where the first one began.
    ///
    /// # Errors
    /// When there is no revision before.
    pub fn plan_rollback(&self, tenant: TenantId, app: &str) -> Result<Plan, AppError> {
        let definitions = self.catalog.definitions();
        Ok(plan_rollback((&definitions, &*self.terms), tenant, app)?.plan)
    }

    /// Goes back to the revision before, as one more apply; blocks until it is durable.
    ///
    /// # Errors
    /// `Stale` when the plan is another by now.
    pub fn rollback(
        &self,
        tenant: TenantId,
        app: &str,
        fingerprint: &str,
    ) -> Result<Applied, AppError> {
        self.perform(fingerprint, |known| plan_rollback(known, tenant, app))
    }

    fn perform(
        &self,
        fingerprint: &str,
        plan: impl Fn(Known<'_>) -> Result<Planned, AppError>,
    ) -> Result<Applied, AppError> {
        for _ in 0..TRIES_MAX {
            let definitions = self.catalog.definitions();
            let Planned { plan, changes } = plan((&definitions, &*self.terms))?;
            let (tenant, app) = (changes.tenant, plan.app.clone());
            let revision = |definitions: &Definitions| {
                definitions
                    .app(tenant, app.as_str())
                    .map_or(0, |app| app.revision)
            };
            if changes.changes.is_empty() {
                return Ok(Applied {
                    revision: revision(&definitions),
                    plan,
                });
            }
            if plan.fingerprint != fingerprint {
                return Err(AppError::Stale { app });
            }
            match self.catalog.apply(changes, definitions.seq) {
                Ok(next) => {
                    return Ok(Applied {
                        revision: revision(&next),
                        plan,
                    });
                }
                // A view was swapped in just now: if the plan is the same still, it is carried out.
                Err(CatalogError::Stale) => {}
                Err(source) => return Err(AppError::Catalog { app, source }),
            }
        }
        let app = plan((&self.catalog.definitions(), &*self.terms))?.plan.app;
        Err(AppError::Stale { app })
    }
}

/// What is defined, and what the engine takes.
pub(crate) type Known<'a> = (&'a Definitions, &'a dyn Terms);

/// From declarations.
pub(crate) fn plan(
    known: Known<'_>,
    tenant: TenantId,
    source: &Source,
) -> Result<Planned, AppError> {
    let declared = declared(source, known.1)?;
    toward(known, tenant, source, |scope, problems| {
        goal::declared(scope, &declared, problems)
    })
}

/// From the revision before.
pub(crate) fn plan_rollback(
    known: Known<'_>,
    tenant: TenantId,
    app: &str,
) -> Result<Planned, AppError> {
    let (definitions, terms) = known;
    let now = definitions.app(tenant, app);
    let now = now.ok_or_else(|| AppError::Unknown {
        app: app.to_owned(),
    })?;
    let revision = definitions
        .revision_before(tenant, &now.name)
        .ok_or_else(|| AppError::NoRevision {
            app: now.name.clone(),
            revision: now.revision,
        })?;
    let source = Source {
        name: now.name.clone(),
        version: revision.app.version.clone(),
        files: revision.app.files.clone(),
    };
    // Streams and tables are what they were; only views are made from their statements.
    let declared = match revision.views.is_empty() {
        true => Vec::new(),
        false => declared(&source, terms)?,
    };
    toward(known, tenant, &source, |scope, problems| {
        goal::earlier(scope, (revision, &declared), problems)
    })
}

/// What a source declares.
fn declared(source: &Source, terms: &dyn Terms) -> Result<Vec<Declared>, AppError> {
    check::declared(source, terms).map_err(|problems| AppError::Mistakes {
        app: source.name.clone(),
        problems,
    })
}

/// Plans the way to a goal, unless something stands in it.
fn toward(
    (definitions, terms): Known<'_>,
    tenant: TenantId,
    source: &Source,
    goal: impl FnOnce(Scope<'_>, &mut Vec<Problem>) -> Goal,
) -> Result<Planned, AppError> {
    let before = definitions.app(tenant, source.name.as_str());
    let stored = before.map_or_else(Stored::default, |app| Stored::read(app));
    let scope = Scope {
        tenant,
        app: &source.name,
        definitions,
        terms,
        stored: &stored,
    };
    let mut problems = Vec::new();
    let goal = goal(scope, &mut problems);
    if !problems.is_empty() {
        problems.sort_by(|a, b| a.position.cmp(&b.position));
        return Err(AppError::Mistakes {
            app: source.name.clone(),
            problems,
        });
    }
    let drift = if before.is_some() {
        drift::find(scope)
    } else {
        Vec::new()
    };
    steps::plan(scope, source, &goal, drift)
}
