//! Methods of many messages: health's watch and reflection.

use prost::Message;

use super::client::{Begun, frame};
use super::*;
use crate::drain::Stage;
use crate::grpc::wire::messages::{
    HealthCheckRequest, HealthCheckResponse, ReflectionAnswer, ReflectionQuery,
    ServerReflectionRequest, ServerReflectionResponse, ServingStatus,
};

async fn watch(client: &mut Client, name: &str) -> Begun {
    let service = name.to_owned();
    let mut call = client.open(WATCH, &[]).await;
    call.send(frame(&HealthCheckRequest { service }.encode_to_vec()), true);
    call.begun().await
}

async fn health(watched: &mut Begun) -> ServingStatus {
    let message = watched.message().await.expect("a status");
    HealthCheckResponse::decode(message)
        .expect("valid")
        .status()
}

#[test]
fn check_knows_the_server_its_services_and_its_models() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        for name in [
            "",
            "m",
            "PredictionService",
            "tensorflow.serving.ModelService",
        ] {
            let service = name.to_owned();
            let request = HealthCheckRequest { service }.encode_to_vec();
            let answer = client.call(CHECK, &request).await;
            assert_eq!(**answer.message(), *b"\x08\x01", "{name}");
        }
        let answer = client.call(CHECK, b"\x0a\x01q").await;
        let text = "no service or model of that name: `q`";
        assert_eq!(answer.failure(), ("5", "model_not_found", text));
    });
}

#[test]
fn watch_tells_each_change_until_the_server_ends() {
    let bench = Bench::new();
    let servable = bench.servable(doubling(), true, 16, INLINE_US);
    bench.run(async |service| {
        let mut client = Client::connect(&service).await;
        let mut whole = watch(&mut client, "").await;
        let mut model = watch(&mut client, "m").await;
        assert_eq!(health(&mut whole).await, ServingStatus::NotServing);
        assert_eq!(health(&mut model).await, ServingStatus::ServiceUnknown);
        bench.publish(&servable);
        assert_eq!(health(&mut whole).await, ServingStatus::Serving);
        assert_eq!(health(&mut model).await, ServingStatus::Serving);
        bench.shared.drain.advance(Stage::Announced);
        assert_eq!(health(&mut whole).await, ServingStatus::NotServing);
        assert_eq!(health(&mut model).await, ServingStatus::NotServing);
        bench.shared.drain.advance(Stage::Ending);
        let mut answer = model.finish().await;
        answer.messages.clear();
        let ended = ("14", "unavailable", "the server is draining");
        assert_eq!(answer.failure(), ended);
        whole.finish().await;
        client.server.await.expect("the connection ends by itself");
    });
    drop(servable);
    bench.end();
}

#[test]
fn a_watch_ends_with_its_own_deadline() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(WATCH, &[("grpc-timeout", "20m")]).await;
        call.send(frame(b""), true);
        let mut answer = call.answer().await;
        answer.messages.clear();
        assert_eq!(answer.failure().0, "4");
    });
}

async fn ask(begun: &mut Begun, query: ReflectionQuery) -> ReflectionAnswer {
    let request = ServerReflectionRequest {
        host: "h".to_owned(),
        message_request: Some(query),
    };
    let bytes = frame(&request.encode_to_vec());
    begun.requests.send_data(bytes, false).expect("open");
    let response = begun.message().await.expect("an answer");
    let response = ServerReflectionResponse::decode(response).expect("valid");
    assert_eq!(response.original_request, Some(request));
    response.message_response.expect("one of them")
}

fn names(answer: ReflectionAnswer) -> Vec<String> {
    match answer {
        ReflectionAnswer::Services(list) => list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        ReflectionAnswer::FileDescriptors(files) => {
            // The file's name is field 1.
            let name = |file: Vec<u8>| {
                String::from_utf8(file[2..2 + usize::from(file[1])].to_vec()).expect("UTF-8")
            };
            files.file_descriptor_proto.into_iter().map(name).collect()
        }
        ReflectionAnswer::ExtensionNumbers(numbers) => vec![numbers.base_type_name],
        ReflectionAnswer::Error(error) => vec![error.error_code.to_string(), error.error_message],
    }
}

#[test]
fn reflection_answers_question_after_question() {
    let settings = Settings {
        idle_timeout_ms: 60_000,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let mut begun = client.open(REFLECTION, &[]).await.begun().await;
        let text = |text: &str| text.to_owned();
        let services = names(ask(&mut begun, ReflectionQuery::ListServices(text("*"))).await);
        #[rustfmt::skip]
        assert_eq!(services, [
            "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        ]);
        let symbol = "tensorflow.serving.PredictionService.Predict";
        let files = names(
            ask(
                &mut begun,
                ReflectionQuery::FileContainingSymbol(text(symbol)),
            )
            .await,
        );
        assert_eq!(files[0], "tensorflow_serving/apis/prediction_service.proto");
        assert!(files.contains(&text("tensorflow/core/framework/tensor.proto")));
        let file = "tensorflow/core/framework/types.proto";
        let files = names(ask(&mut begun, ReflectionQuery::FileByFilename(text(file))).await);
        assert_eq!(files, [file]);
        let missing = names(ask(&mut begun, ReflectionQuery::FileByFilename(text("q"))).await);
        assert_eq!(missing, ["5", "not known to this server: `q`"]);
        let message = "tensorflow.TensorProto";
        let numbers = ReflectionQuery::AllExtensionNumbersOfType(text(message));
        assert_eq!(names(ask(&mut begun, numbers).await), [message]);
        begun.requests.send_data(Bytes::new(), true).expect("open");
        let answer = begun.finish().await;
        assert_eq!(
            (answer.trailer("grpc-status"), answer.messages.len()),
            ("0", 0)
        );
    });
}

#[test]
fn reflection_refuses_a_question_that_is_no_name() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(REFLECTION, &[]).await;
        call.send(frame(&vec![0; 70_000]), true);
        assert_eq!(call.answer().await.failure().0, "8");
    });
}
