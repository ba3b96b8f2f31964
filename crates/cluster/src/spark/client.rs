//! `Client`: what is sent to Spark, and what comes back. It never knows what a plan is for.

use std::{error::Error, future::Future, time::Duration};

use spark_connect_proto::{
    ConfigRequest, ExecutePlanRequest, ExecutePlanResponse, InterruptRequest, KeyValue, Plan,
    UserContext, analyze_plan_request, analyze_plan_response,
    config_request::{self, operation::OpType},
    execute_plan_response::ResponseType,
    interrupt_request::{Interrupt, InterruptType},
    spark_connect_service_client::SparkConnectServiceClient,
};
use tonic::{
    Code, Request, Status, Streaming,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use uuid::Uuid;

use super::{
    SparkError,
    address::Address,
    deed::{Deed, judge, late, unread},
};
use crate::config::SparkConfig;

/// Largest message: answers come in pieces of 4 MiB, unless a single row is larger.
const MESSAGE_BYTES_MAX: usize = 128 << 20;
/// What we are in Spark's own log.
const CLIENT: &str = "mainstem";
/// A connection in our session, shared by whoever asks; made again when it breaks.
#[derive(Clone, Debug)]
pub(super) struct Client {
    stub: SparkConnectServiceClient<Channel>,
    address: Address,
    headers: MetadataMap,
    /// A UUID, which Spark insists on.
    session: String,
    command_max: Duration,
}

impl Client {
    /// Nothing is sent yet.
    pub(super) fn new(config: &SparkConfig) -> Result<Self, SparkError> {
        let address = Address::parse(&config.address)?;
        let fail = |reason| SparkError::Address { reason };
        let mut endpoint = Endpoint::from_shared(address.uri())
            .map_err(|_malformed| fail("behind sc:// is HOST:PORT"))?
            .connect_timeout(config.connect_max)
            .tcp_nodelay(true);
        if address.is_encrypted {
            let roots = ClientTlsConfig::new().with_webpki_roots();
            let encrypted = endpoint.tls_config(roots);
            endpoint = encrypted.map_err(|_malformed| fail("behind sc:// is HOST:PORT"))?;
        }
        let stub = SparkConnectServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            headers: headers(&address).ok_or_else(|| fail("a header is plain ASCII"))?,
            stub,
            address,
            session: session_id(&config.session).to_string(),
            command_max: config.command_max,
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request
    }

    fn user(&self) -> Option<UserContext> {
        Some(UserContext {
            user_id: self.address.user.clone(),
            user_name: self.address.user.clone(),
            extensions: Vec::new(),
        })
    }

    /// The version of the server.
    pub(super) async fn version(&self) -> Result<String, SparkError> {
        let request = spark_connect_proto::AnalyzePlanRequest {
            session_id: self.session.clone(),
            user_context: self.user(),
            client_type: Some(CLIENT.to_owned()),
            analyze: Some(analyze_plan_request::Analyze::SparkVersion(
                analyze_plan_request::SparkVersion {},
            )),
            ..Default::default()
        };
        let deed = Deed::new("tell the version of", &self.address.authority);
        let mut stub = self.stub.clone();
        let answer = Box::pin(stub.analyze_plan(self.request(request)));
        let answer = self.timely(&deed, answer);
        match answer.await?.into_inner().result {
            Some(analyze_plan_response::Result::SparkVersion(version)) => Ok(version.version),
            _ => Err(unread("a version")),
        }
    }

    /// Sets what is given for the session.
    pub(super) async fn set(&self, pairs: &[(&str, String)]) -> Result<(), SparkError> {
        let pairs = pairs.iter().map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(value.clone()),
        });
        let set = config_request::Set {
            pairs: pairs.collect(),
            ..Default::default()
        };
        let request = ConfigRequest {
            session_id: self.session.clone(),
            user_context: self.user(),
            client_type: Some(CLIENT.to_owned()),
            operation: Some(config_request::Operation {
                op_type: Some(OpType::Set(set)),
            }),
            ..Default::default()
        };
        let deed = Deed::new("set up", "session");
        let mut stub = self.stub.clone();
        let answer = self.timely(&deed, stub.config(self.request(request)));
        answer.await.map(drop)
    }

    /// Begins an execution of this id; what it says is read from what comes back.
    pub(super) async fn execute(
        &self,
        (deed, operation): (&Deed, Uuid),
        plan: Plan,
    ) -> Result<Streaming<ExecutePlanResponse>, SparkError> {
        let request = ExecutePlanRequest {
            session_id: self.session.clone(),
            user_context: self.user(),
            operation_id: Some(operation.to_string()),
            client_type: Some(CLIENT.to_owned()),
            plan: Some(plan),
            ..Default::default()
        };
        let answer = self.stub.clone().execute_plan(self.request(request)).await;
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.failed(deed, status)),
        }
    }

    /// Executes to the end; what `pick` takes of the answers is returned.
    pub(super) async fn command<T>(
        &self,
        (deed, plan): (&Deed, Plan),
        mut pick: impl FnMut(ResponseType) -> Option<T>,
    ) -> Result<Option<T>, SparkError> {
        let operation = Uuid::new_v4();
        let whole = async {
            let mut answers = self.execute((deed, operation), plan).await?;
            let mut picked = None;
            while let Some(answer) = self.next(deed, &mut answers).await? {
                if let Some(found) = answer.response_type.and_then(&mut pick) {
                    picked = Some(found);
                }
            }
            Ok(picked)
        };
        match tokio::time::timeout(self.command_max, whole).await {
            Ok(answer) => answer,
            Err(_late) => {
                self.interrupt(operation).await;
                Err(late(deed, self.command_max))
            }
        }
    }

    pub(super) async fn next(
        &self,
        deed: &Deed,
        answers: &mut Streaming<ExecutePlanResponse>,
    ) -> Result<Option<ExecutePlanResponse>, SparkError> {
        let answer = answers.message().await;
        answer.map_err(|status| self.failed(deed, status))
    }

    /// Stops an execution. One that cannot be stopped ends with its session.
    pub(super) async fn interrupt(&self, operation: Uuid) {
        let request = InterruptRequest {
            session_id: self.session.clone(),
            user_context: self.user(),
            client_type: Some(CLIENT.to_owned()),
            interrupt_type: InterruptType::OperationId.into(),
            interrupt: Some(Interrupt::OperationId(operation.to_string())),
            ..Default::default()
        };
        let deed = Deed::new("stop", &operation.to_string());
        let mut stub = self.stub.clone();
        let answer = self.timely(&deed, stub.interrupt(self.request(request)));
        if let Err(error) = answer.await {
            tracing::warn!(%operation, %error, "spark was not told to stop");
        }
    }

    async fn timely<T>(
        &self,
        deed: &Deed,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, SparkError> {
        match tokio::time::timeout(self.command_max, answer).await {
            Ok(answer) => answer.map_err(|status| self.failed(deed, status)),
            Err(_late) => Err(SparkError::Unreachable {
                address: self.address.authority.clone(),
                source: format!("no answer within {} s", self.command_max.as_secs()).into(),
            }),
        }
    }

    /// What went wrong, by name.
    fn failed(&self, deed: &Deed, status: Status) -> SparkError {
        let Deed { doing, name } = deed.clone();
        // What comes from the connection has a source; what Spark says has none.
        if status.code() == Code::Unavailable || status.source().is_some() {
            return SparkError::Unreachable {
                address: self.address.authority.clone(),
                source: Box::new(status),
            };
        }
        judge(deed, status.message()).unwrap_or_else(|| SparkError::Refused {
            doing,
            name,
            source: status.message().to_owned().into(),
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.address.authority
    }
}

fn headers(address: &Address) -> Option<MetadataMap> {
    let mut headers = MetadataMap::new();
    for (key, value) in &address.headers {
        let key = MetadataKey::from_bytes(key.as_bytes()).ok()?;
        headers.insert(key, MetadataValue::try_from(value.as_str()).ok()?);
    }
    if let Some(token) = &address.token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).ok()?;
        headers.insert("authorization", value);
    }
    Some(headers)
}

/// The session of all nodes whose topics begin with `prefix`: FNV-1a of 128 bits (draft-eastlake-fnv)
/// as a UUID.
fn session_id(prefix: &str) -> Uuid {
    let begin: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let prime: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(prime);
    let hash = prefix.bytes().fold(begin, step);
    uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid()
}
