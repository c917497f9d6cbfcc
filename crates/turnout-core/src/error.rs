//! The error catalogue: codes that never change, and the one error type of the data plane.
//!
//! Statuses of HTTP and gRPC are the server crate's business; nothing here knows a status number.

use std::fmt;

macro_rules! catalogue {
    ($($variant:ident, $slug:literal, $retryable:literal, $class:literal, $meaning:literal;)*) => {
        /// What went wrong, as a slug that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $meaning] $variant,)* }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The slug that logs, metrics and clients see.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)* }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            /// The class in `turnout.errors`.
            #[must_use]
            pub fn python_class(self) -> &'static str {
                match self { $(Self::$variant => $class,)* }
            }

            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

catalogue! {
    ModelNotFound, "model_not_found", false, "ModelNotFoundError", "No model, version or label of that name is being served.";
    SignatureNotFound, "signature_not_found", false, "SignatureNotFoundError", "The version has no signature of that name.";
    InvalidInput, "invalid_input", false, "InvalidInputError", "The tensors do not fit the signature: a name, dtype, rank or dimension.";
    MalformedRequest, "malformed_request", false, "MalformedRequestError", "The request itself cannot be read: bad JSON, bad protobuf, bad header.";
    RequestTooLarge, "request_too_large", false, "RequestTooLargeError", "A request is over a size limit, which the message names.";
    Overloaded, "overloaded", true, "OverloadedError", "A bound of the whole process (bytes in flight, connections) is reached; nothing was started.";
    QueueFull, "queue_full", true, "QueueFullError", "The servable's queue is full; nothing was started.";
    DeadlineExceeded, "deadline_exceeded", true, "DeadlineExceededError", "The deadline passed before there was an answer.";
    Cancelled, "cancelled", false, "CancelledError", "The client went away or cancelled.";
    Unavailable, "unavailable", true, "UnavailableError", "The server is starting, draining or closed, or the version is not serving now.";
    ExecutionFailed, "execution_failed", false, "ExecutionError", "The engine refused or failed on these inputs.";
    Internal, "internal", false, "InternalError", "A fault of Turnout itself; the log has the cause under the request's id.";
    Unsupported, "unsupported", false, "UnsupportedError", "Something that this engine, door or platform does not do.";
    LoadFailed, "load_failed", true, "LoadFailedError", "The engine could not load the artifact.";
    ArtifactInvalid, "artifact_invalid", false, "ArtifactInvalidError", "A file of a version is missing, unreadable, or not what the manifest says.";
    Quarantined, "quarantined", false, "QuarantinedError", "An earlier start died while it loaded this version; it is not tried again by itself.";
    RuntimeMissing, "runtime_missing", false, "RuntimeMissingError", "The library that would run or convert this is not installed.";
    FlavorUnknown, "flavor_unknown", false, "FlavorUnknownError", "No flavor recognises the file or object.";
    TrustRequired, "trust_required", false, "TrustRequiredError", "Loading would run code from a file, and nobody has granted trust.";
    ParityFailed, "parity_failed", false, "ParityError", "A converted model answers differently from its original.";
    RepositoryFailed, "repository_failed", false, "RepositoryError", "The repository cannot be read or written.";
    ConfigInvalid, "config_invalid", false, "ConfigError", "A setting is unknown, malformed or out of range.";
    AddressInUse, "address_in_use", false, "AddressInUseError", "A listener's address is taken or cannot be bound.";
    Forked, "forked", false, "ForkedError", "An object made before `fork()` was used in the child.";
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with its code, a message fit for the client, advice, and a cause that only the log shows.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The same failure for another caller of one shared execution; the cause stays with the original.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(Box::new(Inner {
            code: self.0.code,
            message: self.0.message.clone(),
            hint: self.0.hint.clone(),
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

macro_rules! constructors {
    ($($name:ident => $variant:ident),* $(,)?) => {
        impl Error {
            $(pub fn $name(message: impl Into<String>) -> Self { Self::new(ErrorCode::$variant, message) })*
        }
    };
}

constructors! {
    model_not_found => ModelNotFound,
    signature_not_found => SignatureNotFound,
    invalid_input => InvalidInput,
    malformed => MalformedRequest,
    too_large => RequestTooLarge,
    overloaded => Overloaded,
    queue_full => QueueFull,
    deadline_exceeded => DeadlineExceeded,
    cancelled => Cancelled,
    unavailable => Unavailable,
    execution_failed => ExecutionFailed,
    internal => Internal,
    unsupported => Unsupported,
    load_failed => LoadFailed,
    artifact_invalid => ArtifactInvalid,
    runtime_missing => RuntimeMissing,
    config_invalid => ConfigInvalid,
    address_in_use => AddressInUse,
}
