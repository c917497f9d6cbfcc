//! The numbers of a REST answer, in order.

use serde_json::Value;

use super::Decoded;

pub(super) fn decode(answer: &[u8]) -> Result<Decoded, String> {
    let document: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let results = document
        .get("predictions")
        .or_else(|| document.get("outputs"))
        .ok_or("neither `predictions` nor `outputs`")?;
    let mut values = Vec::new();
    flatten(results, &mut values)?;
    Ok(Decoded {
        values,
        version: None,
    })
}

fn flatten(value: &Value, into: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, into)),
        Value::Object(named) => named.values().try_for_each(|item| flatten(item, into)),
        Value::Bool(value) => {
            into.push(f64::from(u8::from(*value)));
            Ok(())
        }
        other => {
            into.push(
                other
                    .as_f64()
                    .ok_or_else(|| format!("not a number: {other}"))?,
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_order_whatever_their_nesting() {
        let decoded = decode(br#"{"predictions": [[1, 2.5], [true, {"a": -3}]]}"#).unwrap();
        assert_eq!(decoded.values, [1.0, 2.5, 1.0, -3.0]);
        assert_eq!(decode(br#"{"outputs": 4}"#).unwrap().values, [4.0]);
        assert!(decode(br#"{"outputs": "x"}"#).is_err());
    }
}
