from tests.support.serving_stubs import serving_stubs


def test_serving_stubs_build_a_request():
    stubs = serving_stubs()
    request = stubs.predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["x"].dtype = stubs.types_pb2.DT_FLOAT
    request.inputs["x"].float_val.append(1.0)
    assert stubs.predict_pb2.PredictRequest.FromString(request.SerializeToString()) == request
