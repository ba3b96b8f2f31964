//! `Refusal`: a problem with its status code. The only place that knows which code gets which.
//!
//! | status | when |
//! |---|---|
//! | 400 | the request must change, and nothing below says it better |
//! | 401 | the key is missing or wrong |
//! | 404 | what the path names does not exist |
//! | 405, 406, 415 | method, `Accept`, `Content-Type` or `Content-Encoding` |
//! | 408 | the body stopped coming; senders send it again |
//! | 409 | it was true once: another body under the same key, a plan that is stale |
//! | 413 | a body that is too large, as sent or decompressed |
//! | 422 | understood, and not possible as it stands: mistakes of an application, a question that takes too long or too much memory. Not 408 or 504: clients would send those again by themselves |
//! | 429 | full: the same request passes later, `Retry-After` says when. Senders of events keep their batch for 429 and 5xx and throw it away for any other 4xx |
//! | 503 | this node cannot do it now |

use hyper::{
    StatusCode,
    header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use mainstem_kernel::{Answer, Blame, Code, Fault, Problem, Retry, fault::chain};
use serde::Serialize;

use super::answer::{self, Reply};

/// Joins a refusal to the operator's log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("mainstem-request-id");
/// Media type of all refusals (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    problem: Problem,
    /// All mistakes, if there are several.
    problems: Vec<Problem>,
    retry_after_seconds: Option<u64>,
    allow: Option<&'static str>,
    /// For the operator: the error with its sources.
    chain: String,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    problems: &'a [Problem],
}

impl<F: Fault> From<F> for Refusal {
    fn from(fault: F) -> Self {
        let answer = fault.answer();
        let chain = chain(&fault);
        Self::new(status(answer), fault.problem(), retry_after(answer), chain)
    }
}

impl Refusal {
    fn new(
        status: StatusCode,
        problem: Problem,
        retry_after_seconds: Option<u64>,
        chain: String,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            problem,
            problems: Vec::new(),
            retry_after_seconds,
            allow: None,
            chain,
        }))
    }

    /// What the node's own affairs answer: a problem without its error.
    pub(crate) fn of_node(problem: Problem) -> Self {
        let chain = problem.message.clone();
        let answer = Answer::node(problem.code);
        let status = status(answer);
        let wait = retry_after(answer).filter(|_| !status.is_client_error());
        Self::new(status, problem, wait, chain)
    }

    /// Why requests are not served at present: always 503, whatever it is.
    pub(crate) fn not_ready(problem: Problem) -> Self {
        let chain = problem.message.clone();
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem, Some(1), chain)
    }

    /// All mistakes at once.
    pub(crate) fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.0.problems = problems;
        self
    }

    /// The methods that the route has.
    pub(crate) fn with_allow(mut self, allow: &'static str) -> Self {
        self.0.allow = Some(allow);
        self
    }

    /// What it is called.
    pub(crate) fn code(&self) -> Code {
        self.0.problem.code
    }

    /// For the operator.
    pub(crate) fn chain(&self) -> &str {
        &self.0.chain
    }

    /// As an answer.
    pub(crate) fn render(self, request_id: u64) -> Reply {
        let parts = *self.0;
        let document = Document {
            problem: &parts.problem,
            problems: &parts.problems,
        };
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        let mut reply = answer::whole(parts.status, PROBLEM_JSON, bytes);
        let headers = reply.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&format!("{request_id:x}")) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(seconds) = parts.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = parts.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        match parts.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body is not waited for.
            StatusCode::REQUEST_TIMEOUT => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        reply
    }
}

/// The status of an error.
pub(crate) fn status(answer: Answer) -> StatusCode {
    if let (Blame::Node, Retry::After(_)) = (answer.blame, answer.retry) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    if let Some(status) = status_of_code(answer.code) {
        return status;
    }
    match answer.blame {
        Blame::Caller => StatusCode::BAD_REQUEST,
        Blame::Dependency | Blame::Node => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The codes that say more than who has to act.
fn status_of_code(code: Code) -> Option<StatusCode> {
    Some(match code {
        Code::Http001 | Code::Http002 => StatusCode::UNAUTHORIZED,
        Code::Http003 | Code::Http019 | Code::Node017 => StatusCode::NOT_FOUND,
        Code::Http004 => StatusCode::METHOD_NOT_ALLOWED,
        Code::Http012 => StatusCode::NOT_ACCEPTABLE,
        Code::Http010 => StatusCode::REQUEST_TIMEOUT,
        Code::Http007 | Code::Http008 => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Http005 | Code::Http006 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::Admit001 | Code::App012 => StatusCode::NOT_FOUND,
        Code::Admit002 | Code::Log005 => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Admit005 | Code::Admit006 | Code::Log002 | Code::Log003 | Code::Log004 => {
            StatusCode::CONFLICT
        }
        Code::App002 | Code::App011 | Code::App013 | Code::Cat001 | Code::Node011 => {
            StatusCode::CONFLICT
        }
        Code::App001 | Code::Sql030 | Code::Sql031 => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Sql032 | Code::Node009 | Code::Node020 => StatusCode::TOO_MANY_REQUESTS,
        Code::Sql033 | Code::Node021 => StatusCode::SERVICE_UNAVAILABLE,
        _ => return None,
    })
}

/// Seconds until it is worth another try, if that is known or likely.
fn retry_after(answer: Answer) -> Option<u64> {
    match (answer.blame, answer.retry) {
        (_, Retry::After(wait)) => Some(wait.as_millis().div_ceil(1000).try_into().unwrap_or(1)),
        (Blame::Node | Blame::Dependency, Retry::Backoff) => Some(1),
        _ => None,
    }
}
