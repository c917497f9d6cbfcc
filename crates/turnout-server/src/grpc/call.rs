//! The seam above HTTP/2: a method, metadata and a message go in, a message or a status comes out.
//!
//! Nothing behind this file knows how messages travel, so that the HTTP/2 layer can be replaced.

use std::time::{Duration, Instant};

use bytes::Bytes;
use turnout_core::admission::BytePermit;
use turnout_core::{Door, RequestContext, RequestId};

use super::body::{Message, PREFIX_BYTES};
use super::metadata::Metadata;
use super::status::Status;
use super::{
    classify, compression, health, model_metadata, model_status, multi_inference, predict,
    reload_config,
};
use crate::examples;
use crate::service::{Arrival, Service};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Unary(Unary),
    /// One request, then an answer for every change.
    Watch,
    /// An answer for every request.
    Reflection,
}

/// The methods with one request and one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Predict,
    Classify,
    Regress,
    MultiInference,
    GetModelMetadata,
    GetModelStatus,
    HandleReloadConfigRequest,
    HealthCheck,
}

impl Method {
    pub(crate) fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/tensorflow.serving.PredictionService/Predict" => Self::Unary(Unary::Predict),
            "/tensorflow.serving.PredictionService/Classify" => Self::Unary(Unary::Classify),
            "/tensorflow.serving.PredictionService/Regress" => Self::Unary(Unary::Regress),
            "/tensorflow.serving.PredictionService/MultiInference" => {
                Self::Unary(Unary::MultiInference)
            }
            "/tensorflow.serving.PredictionService/GetModelMetadata" => {
                Self::Unary(Unary::GetModelMetadata)
            }
            "/tensorflow.serving.ModelService/GetModelStatus" => Self::Unary(Unary::GetModelStatus),
            "/tensorflow.serving.ModelService/HandleReloadConfigRequest" => {
                Self::Unary(Unary::HandleReloadConfigRequest)
            }
            "/grpc.health.v1.Health/Check" => Self::Unary(Unary::HealthCheck),
            "/grpc.health.v1.Health/Watch" => Self::Watch,
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
            | "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => Self::Reflection,
            _ => return None,
        })
    }
}

/// A message with its prefix, ready to be sent.
pub(crate) struct Reply {
    pub(crate) frame: Bytes,
    /// Covers the frame while it is in memory.
    #[expect(dead_code, reason = "it ends when it is dropped")]
    pub(crate) permit: Option<BytePermit>,
}

/// What a unary call ends with, and the request that it answers.
pub(crate) struct Answered {
    pub(crate) id: RequestId,
    pub(crate) result: Result<Reply, Status>,
}

/// Answers a unary call whose message has just arrived. The call has then been counted.
pub(crate) async fn unary(
    service: &Service,
    method: Unary,
    metadata: &Metadata<'_>,
    message: Message,
) -> Answered {
    let context = context(service, metadata, message.waited);
    let opened = if message.compressed {
        Box::pin(compression::open(service, message, metadata.encoding)).await
    } else {
        Ok(message)
    };
    let result = match opened {
        Ok(message) => answer(service, method, message, &context).await,
        Err(status) => Err(refused(service, status)),
    };
    if let Err(status) = &result {
        service.log_failure(&context, status.error());
    }
    Answered {
        id: context.id,
        result,
    }
}

async fn answer(
    service: &Service,
    method: Unary,
    message: Message,
    context: &RequestContext,
) -> Result<Reply, Status> {
    let bytes = &message.bytes;
    let frame = match method {
        Unary::Predict => return predict::answer(service, message, context).await,
        Unary::Classify => {
            let method = examples::Method::Classify;
            return Box::pin(classify::answer(service, method, message, context)).await;
        }
        Unary::Regress => {
            let method = examples::Method::Regress;
            return Box::pin(classify::answer(service, method, message, context)).await;
        }
        Unary::MultiInference => {
            return Box::pin(multi_inference::answer(service, message, context)).await;
        }
        Unary::GetModelMetadata => {
            model_metadata::answer(&service.routes(), bytes).and_then(|answer| framed(&answer))
        }
        Unary::GetModelStatus => {
            model_status::answer(&service.routes(), bytes).and_then(|answer| framed(&answer))
        }
        Unary::HandleReloadConfigRequest => {
            Box::pin(reload_config::answer(service, bytes, context))
                .await
                .and_then(|answer| framed(&answer))
        }
        Unary::HealthCheck => health::check(service, bytes).and_then(|answer| framed(&answer)),
    };
    Ok(Reply {
        frame: frame.map_err(|status| refused(service, status))?,
        permit: None,
    })
}

/// The id of a request that will have no context.
pub(crate) fn request_id(service: &Service, metadata: &Metadata<'_>) -> RequestId {
    context(service, metadata, Duration::ZERO).id
}

/// Counts a call that failed before a servable was known.
pub(crate) fn refused(service: &Service, status: Status) -> Status {
    service.refuse(Door::Grpc, status.catalogue_code());
    status
}

/// The context of a call whose message has just arrived, after it was `waited` for.
pub(crate) fn context(
    service: &Service,
    metadata: &Metadata<'_>,
    waited: Duration,
) -> RequestContext {
    service.context(&Arrival {
        door: Door::Grpc,
        id: metadata.request_id,
        traceparent: metadata.traceparent,
        timeout: Some(timeout(service, metadata).saturating_sub(waited)),
        received: Instant::now(),
    })
}

/// What the client allows, or the default.
pub(crate) fn timeout(service: &Service, metadata: &Metadata<'_>) -> Duration {
    let default = || Duration::from_millis(service.settings().grpc_timeout_ms);
    metadata.timeout.unwrap_or_else(default)
}

/// Puts a prefix before a message.
pub(crate) fn framed(message: &impl prost::Message) -> Result<Bytes, Status> {
    let mut frame = Vec::with_capacity(PREFIX_BYTES + message.encoded_len());
    frame.resize(PREFIX_BYTES, 0);
    message
        .encode(&mut frame)
        .expect("bug: a vector has no end");
    with_prefix(frame)
}

/// Fills in the prefix of a message that begins behind it.
///
/// # Errors
/// `request_too_large` when its length does not fit in the prefix.
pub(crate) fn with_prefix(mut frame: Vec<u8>) -> Result<Bytes, Status> {
    let bytes = frame.len() - PREFIX_BYTES;
    let length = u32::try_from(bytes).map_err(|_| {
        let text = format!("the answer does not fit in one gRPC message: got {bytes} bytes");
        turnout_core::Error::too_large(text)
    })?;
    frame[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(frame.into())
}
