use tokio::io::{AsyncRead, AsyncWrite};

use crate::service::Service;

pub(crate) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: Service) {
    drop((stream, service));
}
