//! `ModelService/HandleReloadConfigRequest`: the message goes to the control plane as it is, which reads it and says what
//! became of it.

use turnout_core::{Error, ErrorCode, RequestContext};

use super::status::{Situation, Status};
use super::wire::messages::{ReloadConfigResponse, StatusProto};
use crate::service::Service;

/// # Errors
/// `unsupported` where the operator has not allowed it; whatever the control plane says.
pub(crate) async fn answer(
    service: &Service,
    message: &[u8],
    context: &RequestContext,
) -> Result<ReloadConfigResponse, Status> {
    if !service.settings().reload_rpc {
        let text = "`HandleReloadConfigRequest` is switched off: it would let every client choose what is served";
        return Err(Error::unsupported(text)
            .with_hint("The operator's setting `reload_rpc` allows it.")
            .into());
    }
    let done = service
        .command("reload_config", message, context.deadline)
        .await;
    done.map_err(|error| match error.code() {
        ErrorCode::LoadFailed => Status::by_contract(Situation::ReloadFailed, error),
        _ => error.into(),
    })?;
    Ok(ReloadConfigResponse {
        status: Some(StatusProto {
            error_code: 0,
            error_message: String::new(),
        }),
    })
}
