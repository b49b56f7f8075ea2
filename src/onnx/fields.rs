//! How many fields a protobuf message has, before it is decoded: a decoder takes up to 1.4 kB for a field of two bytes.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>.

/// Messages inside of each other that are looked through; the decoder follows no more.
const MAX_DEPTH: usize = 100;

/// Fields of text, bytes and messages in `bytes`, at every depth, up to what is no message any more; counts no further than a little over `most`.
///
/// Which field is a message is not known here, so each is looked at as one. Numbers and text end within a few bytes, as they are none.
///
/// Cost: every byte is looked at once at most.
pub(super) fn count(bytes: &[u8], most: usize) -> usize {
    let mut found = 0;
    // What is left of each message on the way to where we are.
    let mut open = vec![bytes];
    while let Some(message) = open.last_mut()
        && found <= most
    {
        match field(message) {
            Some(Field::Bytes(payload)) => {
                found += 1;
                if open.len() < MAX_DEPTH {
                    open.push(payload);
                }
            }
            Some(Field::Number) => {}
            None => {
                open.pop();
            }
        }
    }
    found
}

enum Field<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// Takes the next field off a message; `None` at its end, and at what is no field.
fn field<'a>(message: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(message)?;
    if tag >> 3 == 0 {
        return None;
    }
    match tag & 7 {
        0 => varint(message).map(|_| Field::Number),
        1 => message.split_off(..8).map(|_| Field::Number),
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            message.split_off(..length).map(Field::Bytes)
        }
        5 => message.split_off(..4).map(|_| Field::Number),
        _ => None,
    }
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes or a message.
    fn bytes(number: u8, payload: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = payload.len();
        while length >= 0x80 {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        [&field, payload].concat()
    }

    #[test]
    fn fields_are_counted_at_every_depth() {
        assert_eq!(count(&[], 9), 0);
        // A number, a fixed one of either size, text.
        let message = [&[0x08, 0x96, 0x01][..], &[0x11; 9], &[0x1d, 0, 0, 0, 0], &bytes(4, b"text")].concat();
        assert_eq!(count(&message, 9), 1);
        let inside = bytes(1, &bytes(1, &bytes(1, &[])));
        assert_eq!(count(&inside.repeat(5), 99), 15);
        assert_eq!(count(&inside.repeat(50), 99), 100, "no further");
        // Deeper than anything that is decoded.
        let mut deep = vec![];
        for _ in 0..300 {
            deep = bytes(1, &deep);
        }
        assert_eq!(count(&deep, 999), MAX_DEPTH);
    }

    #[test]
    fn what_is_no_message_ends_at_once() {
        for odd in [&[0x00][..], &[0x0b], &[0x0a, 5, 1], &[0x80], &[0xff; 11], &[0x0d, 1], &[0x09]] {
            assert_eq!(count(odd, 9), 0, "{odd:?}");
        }
        // Fields before the fault count: a decoder has made them by then.
        assert_eq!(count(&[&bytes(1, b"").repeat(7)[..], &[0]].concat(), 99), 7);
    }

    /// The most that is decoded is far above what models have.
    #[test]
    fn models_have_few_fields() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/resnet8.onnx");
        let fields = count(&std::fs::read(path).unwrap(), usize::MAX);
        assert!((200..4000).contains(&fields), "{fields}");
    }
}
