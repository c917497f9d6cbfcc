//! `grpc.reflection`: what a client needs to make a call that it has no stubs for.

use bytes::Bytes;
use prost::Message;
use turnout_core::Error;

use super::descriptors::{FILES, File, encode_file};
use super::status::Code;
use super::wire::messages::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ReflectionAnswer, ReflectionQuery, ServerReflectionRequest, ServerReflectionResponse,
    ServiceResponse,
};

/// Requests are names; larger ones are refused.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Answers one request of the stream. What is not found is said in the answer, so that the stream goes on.
///
/// # Errors
/// `malformed_request`.
pub(crate) fn answer(message: &Bytes) -> Result<ServerReflectionResponse, Error> {
    let request = ServerReflectionRequest::decode(message.clone()).map_err(|source| {
        Error::malformed(format!("the message is not valid protobuf: {source}"))
    })?;
    let answer = match &request.message_request {
        Some(ReflectionQuery::ListServices(_)) => ReflectionAnswer::Services(services()),
        Some(ReflectionQuery::FileByFilename(name)) => {
            files(FILES.iter().copied().find(|file| file.name == name), name)
        }
        Some(ReflectionQuery::FileContainingSymbol(symbol)) => files(defining(symbol), symbol),
        Some(ReflectionQuery::AllExtensionNumbersOfType(name)) => extensions(name),
        Some(ReflectionQuery::FileContainingExtension(request)) => not_found(&format!(
            "{}:{}",
            request.containing_type, request.extension_number
        )),
        None => error(
            Code::InvalidArgument,
            "the request asks for nothing".to_owned(),
        ),
    };
    Ok(ServerReflectionResponse {
        valid_host: request.host.clone(),
        original_request: Some(request),
        message_response: Some(answer),
    })
}

fn services() -> ListServiceResponse {
    let names = FILES.iter().flat_map(|file| {
        file.services
            .iter()
            .map(|service| format!("{}.{}", file.package, service.name))
    });
    ListServiceResponse {
        service: names.map(|name| ServiceResponse { name }).collect(),
    }
}

fn defining(symbol: &str) -> Option<&'static File> {
    let mut files = FILES.iter().copied();
    files.find(|file| file.symbols().iter().any(|other| other == symbol))
}

/// A file, first, and all that it depends on: clients take the first to be what they asked for.
fn files(file: Option<&'static File>, name: &str) -> ReflectionAnswer {
    let Some(file) = file else {
        return not_found(name);
    };
    let mut needed: Vec<&File> = Vec::new();
    gather(file, &mut needed);
    ReflectionAnswer::FileDescriptors(FileDescriptorResponse {
        file_descriptor_proto: needed.into_iter().map(encode_file).collect(),
    })
}

fn gather(file: &'static File, gathered: &mut Vec<&'static File>) {
    if gathered.iter().any(|other| other.name == file.name) {
        return;
    }
    gathered.push(file);
    file.dependencies
        .iter()
        .for_each(|file| gather(file, gathered));
}

/// Messages of proto3 have no extensions.
fn extensions(name: &str) -> ReflectionAnswer {
    if defining(name).is_none() {
        return not_found(name);
    }
    ReflectionAnswer::ExtensionNumbers(ExtensionNumberResponse {
        base_type_name: name.to_owned(),
        extension_number: Vec::new(),
    })
}

fn not_found(name: &str) -> ReflectionAnswer {
    error(
        Code::NotFound,
        format!("not known to this server: `{name}`"),
    )
}

fn error(code: Code, error_message: String) -> ReflectionAnswer {
    ReflectionAnswer::Error(ErrorResponse {
        error_code: code.number(),
        error_message,
    })
}
