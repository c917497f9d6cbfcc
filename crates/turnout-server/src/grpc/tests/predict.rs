use std::sync::Arc;

use prost::Message;
use turnout_core::{Error, Shape, Signature, Tensor, Values};
use turnout_engine::fake::{FakeModel, column_signature};

use super::*;
use crate::grpc::wire::messages as proto;
use crate::grpc::wire::{WireError, decode_predict_response};

fn column_of(values: &[f32]) -> Tensor {
    let shape = Shape::from_slice(&[values.len(), 1]);
    Tensor::new(shape, Values::Float32(values.to_vec())).expect("shape matches")
}

#[test]
fn predict_answers_with_values_version_and_request_id() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let headers = [("x-request-id", "a-1"), ("traceparent", "00-a-b-01")];
        let answer = client
            .call_with(PREDICT, &headers, &column(&[1.5, -2.0]))
            .await;
        let (version, outputs) = decode_predict_response(answer.message(), 1 << 10).expect("valid");
        assert_eq!(version, 1);
        assert_eq!(outputs, [("y".to_owned(), column_of(&[3.0, -4.0]))]);
        assert_eq!(answer.head["content-type"], "application/grpc");
        assert_eq!(answer.head["x-request-id"], "a-1");
        let answer = client.call(PREDICT, &column(&[1.0])).await;
        assert_eq!(answer.head["x-request-id"].len(), 16, "one is made");
    });
}

#[test]
fn versions_labels_and_signatures_are_chosen() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let numbered = request("m", Some(1), "serving_default", &[("x", &[1.0])]);
        let mut labelled = b"\x0a\x0b\x0a\x01m\x22\x06stable".to_vec();
        labelled.extend(request("", None, "", &[("x", &[1.0])]).slice(2..));
        for message in [numbered, labelled.into()] {
            let answer = client.call(PREDICT, &message).await;
            assert_eq!(answer.outputs(), [("y".to_owned(), column_of(&[2.0]))]);
        }
    });
}

/// Two outputs: the input, and the input negated.
fn two_headed() -> FakeModel {
    let signature = column_signature();
    let outputs = ["same", "negated"].map(|name| turnout_core::TensorSpec {
        name: name.to_owned(),
        ..signature.outputs[0].clone()
    });
    let signature = Signature {
        outputs: outputs.to_vec(),
        ..signature
    };
    FakeModel::new(&Arc::default())
        .with_signatures(vec![signature])
        .with_behaviour(|_, mut inputs| {
            let (shape, values) = inputs.remove(0).into_parts();
            let Values::Float32(values) = values else {
                return Err(Error::internal("dtype"));
            };
            let negated = values.iter().map(|value| -value).collect();
            Ok(vec![
                Tensor::new(shape.clone(), Values::Float32(values))?,
                Tensor::new(shape, Values::Float32(negated))?,
            ])
        })
}

#[test]
fn the_output_filter_chooses_what_is_sent() {
    with(
        testing::settings(),
        two_headed(),
        INLINE_US,
        async |service| {
            let mut client = Client::connect(&service).await;
            let filtered = |aliases: &[&str]| {
                let mut message = column(&[1.0]).to_vec();
                for alias in aliases {
                    message.extend([0x1a, u8::try_from(alias.len()).expect("short")]);
                    message.extend(alias.bytes());
                }
                message
            };
            let names = |answer: &Answer| {
                answer
                    .outputs()
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect::<Vec<_>>()
            };
            let all = client.call(PREDICT, &filtered(&[])).await;
            assert_eq!(names(&all), ["negated", "same"]);
            let one = client.call(PREDICT, &filtered(&["negated"])).await;
            assert_eq!(one.outputs(), [("negated".to_owned(), column_of(&[-1.0]))]);
            let unknown = client.call(PREDICT, &filtered(&["z"])).await;
            let text = "output tensor alias not found in signature: z Outputs expected to be in the set {negated,same}.";
            assert_eq!(unknown.failure(), ("3", "invalid_input", text));
            let twice = client.call(PREDICT, &filtered(&["same", "same"])).await;
            let text = "duplicate output tensor alias: same";
            assert_eq!(twice.failure(), ("3", "invalid_input", text));
        },
    );
}

#[test]
fn tensors_beyond_the_offload_limit_and_the_windows_come_back_whole() {
    with_model(async |service| {
        let mut client = Client::with_windows(&service, client::Windows(20_000)).await;
        let values: Vec<f32> = (0..60_000u16).map(f32::from).collect();
        for executor in [1, 2] {
            let answer = client.call(PREDICT, &column(&values)).await;
            let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
            assert_eq!(
                answer.outputs(),
                [("y".to_owned(), column_of(&doubled))],
                "{executor}"
            );
        }
    });
}

#[test]
fn streams_of_one_connection_are_answered_side_by_side() {
    let (model, release) = gated();
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let mut client = Client::connect(&service).await;
            let mut waiting = Vec::new();
            for value in 0..8u8 {
                let mut call = client.open(PREDICT, &[]).await;
                call.send(client::frame(&column(&[f32::from(value)])), true);
                waiting.push(call);
            }
            let health = client.call(CHECK, b"").await;
            assert_eq!(**health.message(), *b"\x08\x01", "while the model is busy");
            drop(release);
            for (value, call) in (0..8u8).zip(waiting) {
                let answer = call.answer().await;
                assert_eq!(
                    answer.outputs(),
                    [("y".to_owned(), column_of(&[f32::from(value)]))]
                );
            }
        },
    );
}

#[test]
fn metadata_describes_the_signatures() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let request = |field: &str| {
            proto::GetModelMetadataRequest {
                model_spec: Some(proto::ModelSpec {
                    name: "m".to_owned(),
                    ..Default::default()
                }),
                metadata_field: vec![field.to_owned()],
            }
            .encode_to_vec()
        };
        let answer = client.call(METADATA, &request("signature_def")).await;
        let response =
            proto::GetModelMetadataResponse::decode(answer.message().clone()).expect("valid");
        let any = &response.metadata["signature_def"];
        assert_eq!(
            any.type_url,
            "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        );
        let definitions = proto::SignatureDefMap::decode(any.value.as_slice()).expect("valid");
        let definition = &definitions.signature_def["serving_default"];
        assert_eq!(definition.method_name, "tensorflow/serving/predict");
        let info = &definition.inputs["x"];
        let sizes: Vec<i64> = info
            .tensor_shape
            .iter()
            .flat_map(|shape| &shape.dim)
            .map(|dim| dim.size)
            .collect();
        assert_eq!(
            (info.name.as_str(), info.dtype, sizes),
            ("x", 1, vec![-1, 1])
        );
        let answer = client.call(METADATA, &request("other")).await;
        assert_eq!(
            answer.failure(),
            (
                "3",
                "invalid_input",
                "Metadata field other is not supported"
            )
        );
        let answer = client.call(METADATA, b"\x0a\x03\x0a\x01m").await;
        let text = "GetModelMetadataRequest must specify at least one metadata_field";
        assert_eq!(answer.failure(), ("3", "invalid_input", text));
    });
}

#[test]
fn status_lists_the_versions() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let answer = client.call(STATUS, b"\x0a\x03\x0a\x01m").await;
        let response =
            proto::GetModelStatusResponse::decode(answer.message().clone()).expect("valid");
        let status = Some(proto::StatusProto::default());
        let version = proto::ModelVersionStatus {
            version: 1,
            state: 30,
            status,
        };
        assert_eq!(response.model_version_status, [version]);
        #[rustfmt::skip]
        let failures: [(&[u8], _); 4] = [
            (b"\x0a\x03\x0a\x01q", ("5", "model_not_found", "Could not find any versions of model q")),
            (b"\x0a\x07\x0a\x01m\x12\x02\x08\x07", ("5", "model_not_found", "Could not find version 7 of model m")),
            (b"\x0a\x06\x0a\x01m\x22\x01z", ("3", "model_not_found", "Unrecognized servable version label: z")),
            (b"", ("3", "invalid_input", "Missing ModelSpec")),
        ];
        for (message, failure) in failures {
            assert_eq!(client.call(STATUS, message).await.failure(), failure);
        }
    });
}

#[test]
fn what_is_not_protobuf_is_refused_by_every_method() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        for path in [PREDICT, METADATA, STATUS, CHECK] {
            let answer = client.call(path, b"\x0a\xff").await;
            let (status, code, text) = answer.failure();
            assert_eq!((status, code), ("3", "malformed_request"), "{path}");
            assert!(
                text.starts_with("the message is not valid protobuf: "),
                "{text}"
            );
        }
        let truncated = format!(
            "the message is not valid protobuf: {}",
            WireError::Truncated
        );
        let answer = client.call(PREDICT, b"\x0a\xff").await;
        assert_eq!(answer.failure().2, truncated);
    });
}
