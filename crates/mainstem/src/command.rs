//! One module per command; each reads like what it does.

pub(crate) mod app;
pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod explain;
pub(crate) mod load;
pub(crate) mod picture;
pub(crate) mod relocate;
pub(crate) mod serve;
pub(crate) mod sql;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod test;
