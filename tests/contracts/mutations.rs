//! Rust and the contract agree on true proofs and on every kind of false one.

use crate::story::{Proved, Story, digits_mlp, is, linked, model, paired, reason, root, shown, srs};
use inferproof::circuits::machine::Shape;
use inferproof::circuits::program::Layout;
use inferproof::evm::abi::InferenceVerifier as abi;
use inferproof::evm::chain::Fork;
use inferproof::evm::verify_calldata;
use inferproof::{Interface, Proof, QuantiseOptions, Visibility, WeightVisibility, verify};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Size of the coordinates' field and the group order, big-endian.
const FIELD: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
const ORDER: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
/// A false proof may not burn what it is given.
const MOST_GAS: u64 = 700_000;
const BOTH: [WeightVisibility; 2] = [WeightVisibility::Public, WeightVisibility::Secret];

#[test]
fn every_operator_is_accepted() {
    let options = QuantiseOptions { activation_bits: 6, shift: 7, ..QuantiseOptions::default() };
    let [mut story, mut paired_story] = Shape::ALL.map(|shape| Story::of(shape, srs(), Fork::Osaka));
    let mut count = 0;
    let mut names: Vec<_> =
        std::fs::read_dir(root().join("fixtures/ops")).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|e| e == "onnx")) {
        let name = format!("ops/{}", path.file_stem().unwrap().to_string_lossy());
        // Without layers there is nothing to commit to in public.
        let weightless = model(&name, &options).0.weights.layers.is_empty();
        let visibility = if weightless { WeightVisibility::Secret } else { BOTH[count % 2] };
        let layout = Layout { limb: [None, Some(4)][count / 2 % 2], ..Layout::direct(1 + count % 3) };
        for shape in Shape::ALL {
            let layout = Layout { shape, ..layout };
            let proved = Proved::in_layout(&name, &options, visibility, srs(), Some(layout));
            let story = if shape == Shape::Single { &mut story } else { &mut paired_story };
            story.store(&proved.key);
            let receipt = story.verify(&proved.proof(1));
            assert!(receipt.success, "{name}, {shape:?}: {:?}", reason(&receipt));
        }
        count += 1;
    }
    assert!(count >= 25, "{count} operator models");
}

/// Runs both verifiers on a changed proof.
pub fn both_refuse(story: &mut Story, proved: &Proved, what: &str, proof: &Proof) {
    let part = srs().verifier_part();
    assert!(verify(&proved.key, &part, proof).is_err(), "{what}: Rust accepts it");
    let receipt = story.verify(proof);
    assert!(!receipt.success, "{what}: the contract accepts it");
    assert!(receipt.gas < MOST_GAS && !receipt.output.is_empty(), "{what}: {receipt:?}");
    reason(&receipt);
}

type Change<'a> = &'a dyn Fn(&mut [u8], &mut StdRng);

#[test]
fn every_word_of_a_proof_counts() {
    let given = shown(Interface { input: Visibility::Committed, output: Visibility::Given }, BOTH[1]);
    let two_lanes = [
        paired(Interface::default(), BOTH[0]),
        paired(Interface { input: Visibility::Committed, output: Visibility::Committed }, BOTH[1]),
    ];
    for proved in BOTH.map(digits_mlp).into_iter().chain(BOTH.map(linked)).chain([given]).chain(two_lanes) {
        let mut story = Story::for_key(&proved.key, srs());
        story.store(&proved.key);
        let proof = proved.proof(1);
        assert!(story.accepts(&proof));
        let mut rng = StdRng::seed_from_u64(3);
        let words = (proof.bytes.len() - 4) / 32;
        for word in 0..words {
            let at = 4 + 32 * word;
            let changes: [(&str, Change<'_>); 6] = [
                ("the last bit", &|w, _| w[31] ^= 1),
                ("any bit", &|w, rng| w[rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8)),
                ("zero", &|w, _| w.fill(0)),
                ("ones", &|w, _| w.fill(255)),
                ("random", &|w, rng| rng.fill(w)),
                ("small", &|w, rng| {
                    w.fill(0);
                    w[31] = rng.gen_range(0..255);
                }),
            ];
            for (what, change) in changes {
                let mut bad = proof.clone();
                change(&mut bad.bytes[at..at + 32], &mut rng);
                if bad != proof {
                    both_refuse(&mut story, &proved, &format!("word {word}, {what}"), &bad);
                }
            }
            for modulus in [FIELD, ORDER] {
                let mut alias = proof.clone();
                if add(&mut alias.bytes[at..at + 32], &hex::decode(modulus).unwrap()) {
                    both_refuse(&mut story, &proved, &format!("word {word} and a modulus"), &alias);
                }
            }
        }
    }
}

/// Adds a big-endian number; whether it fits.
fn add(word: &mut [u8], number: &[u8]) -> bool {
    let mut carry = 0u16;
    for (byte, other) in word.iter_mut().zip(number).rev() {
        carry += u16::from(*byte) + u16::from(*other);
        *byte = carry as u8;
        carry >>= 8;
    }
    carry == 0
}

#[test]
fn random_damage_is_refused() {
    let two_lanes = paired(Interface::default(), BOTH[1]);
    for proved in BOTH.map(digits_mlp).into_iter().chain(BOTH.map(linked)).chain([two_lanes]) {
        let mut story = Story::for_key(&proved.key, srs());
        story.store(&proved.key);
        let proof = proved.proof(1);
        let mut rng = StdRng::seed_from_u64(4);
        for round in 0..400 {
            let mut bad = proof.clone();
            for _ in 0..rng.gen_range(1..=3) {
                let at = rng.gen_range(0..bad.bytes.len());
                bad.bytes[at] = rng.r#gen();
            }
            // Points and scalars that are well-formed, in the wrong place.
            if round % 4 == 0 {
                let [a, b] = [0, 1].map(|_| 4 + 64 * rng.gen_range(0..18));
                bad = proof.clone();
                let point: Vec<u8> = bad.bytes[a..a + 64].to_vec();
                bad.bytes.copy_within(b..b + 64, a);
                bad.bytes[b..b + 64].copy_from_slice(&point);
            }
            if bad != proof {
                both_refuse(&mut story, &proved, &format!("round {round}"), &bad);
            }
        }
    }
}

#[test]
fn every_byte_of_a_statement_counts() {
    for visibility in BOTH {
        let (mut story, proved) = (Story::new(srs()), digits_mlp(visibility));
        story.store(&proved.key);
        let proof = proved.proof(1);
        for byte in 0..proof.statement.input.len() {
            let mut bad = proof.clone();
            bad.statement.input[byte] ^= 1;
            both_refuse(&mut story, &proved, &format!("input {byte}"), &bad);
        }
        for byte in 0..proof.statement.output.len() {
            for flip in [1, 0x80] {
                let mut bad = proof.clone();
                bad.statement.output[byte] ^= flip;
                both_refuse(&mut story, &proved, &format!("output {byte}"), &bad);
            }
        }
        for byte in 0..32 {
            let mut bad = proof.clone();
            bad.statement.context[byte] ^= 1;
            both_refuse(&mut story, &proved, &format!("context {byte}"), &bad);
            let mut bad = proof.clone();
            bad.statement.model_id[byte] ^= 1;
            both_refuse(&mut story, &proved, &format!("model {byte}"), &bad);
            assert!(is::<abi::ModelNotStored>(&story.verify(&bad)));
        }
    }
}

#[test]
fn lengths_and_names_are_exact() {
    let (mut story, proved) = (Story::new(srs()), digits_mlp(WeightVisibility::Secret));
    let proof = proved.proof(1);
    assert!(is::<abi::ModelNotStored>(&story.verify(&proof)), "not stored yet");
    story.store(&proved.key);
    assert!(story.accepts(&proof));
    let mut changed = |what: &str, change: &dyn Fn(&mut Proof)| {
        let mut bad = proof.clone();
        change(&mut bad);
        both_refuse(&mut story, &proved, what, &bad);
        story.verify(&bad)
    };
    for length in [0, 1, 3] {
        assert!(is::<abi::WrongVerifier>(&changed("a stump", &|p| p.bytes.truncate(length))));
    }
    for length in [4, 5, 36, 2340, 2467] {
        assert!(is::<abi::InvalidProofLength>(&changed("truncated", &|p| p.bytes.truncate(length))));
    }
    assert!(is::<abi::InvalidProofLength>(&changed("extended", &|p| p.bytes.push(0))));
    assert!(is::<abi::InvalidProofLength>(&changed("extended by a word", &|p| p.bytes.extend([0; 32]))));
    assert!(is::<abi::WrongVerifier>(&changed("another verifier's", &|p| p.bytes[0] ^= 1)));
    assert!(is::<abi::InvalidInputLength>(&changed("a short input", &|p| {
        p.statement.input.pop();
    })));
    assert!(is::<abi::InvalidInputLength>(&changed("a long input", &|p| p.statement.input.push(0))));
    assert!(is::<abi::InvalidOutputLength>(&changed("a short output", &|p| {
        p.statement.output.pop();
    })));
    assert!(is::<abi::InvalidOutputLength>(&changed("a long output", &|p| p.statement.output.push(0))));
    assert!(is::<abi::InvalidPoint>(&changed("a point at infinity", &|p| p.bytes[4..68].fill(0))));
    assert!(is::<abi::InvalidScalar>(&changed("a scalar too large", &|p| p.bytes[1156..1188].fill(255))));
    assert!(is::<abi::InvalidProof>(&changed("another scalar", &|p| p.bytes[1187] ^= 1)));
    // A byte moves from the input to the output: the lengths are hashed.
    changed("another cut", &|p| {
        let last = p.statement.input.pop().unwrap();
        p.statement.output.insert(0, last);
    });
}

/// A proof belongs to its model, its weights and its kind of weights.
#[test]
fn proofs_are_not_exchanged() {
    let mut story = Story::new(srs());
    let [public, secret] = BOTH.map(digits_mlp);
    let other = Proved::new(
        "digits_mlp",
        &QuantiseOptions { activation_bits: 7, ..QuantiseOptions::default() },
        WeightVisibility::Secret,
        srs(),
    );
    for proved in [&public, &secret, &other] {
        story.store(&proved.key);
    }
    for (a, b) in [(&public, &secret), (&secret, &public), (&secret, &other), (&other, &secret)] {
        let mut proof = a.proof(1);
        assert!(story.accepts(&proof));
        proof.statement.model_id = b.key.model_id();
        both_refuse(&mut story, b, "another model's proof", &proof);
    }
}

/// Calldata that spells the same arguments in another way says the same; what is read is what is hashed.
#[test]
fn abi_offsets_make_no_difference() {
    let (mut story, proved) = (Story::new(srs()), digits_mlp(WeightVisibility::Public));
    story.store(&proved.key);
    let data = verify_calldata(&proved.proof(1));
    let head = 4 + 5 * 32;
    // The tails move back by a gap.
    let mut shifted = data[..head].to_vec();
    for argument in [1, 2, 4] {
        let at = 4 + 32 * argument;
        let offset = u32::from_be_bytes(shifted[at + 28..at + 32].try_into().unwrap()) + 96;
        shifted[at + 28..at + 32].copy_from_slice(&offset.to_be_bytes());
    }
    shifted.extend([0xee; 96]);
    shifted.extend(&data[head..]);
    assert!(story.call(shifted.clone()).success);
    shifted.extend([0xee; 40]);
    assert!(story.call(shifted).success, "what follows is nobody's");
    // The output's offset points at the input.
    let mut aliased = data.clone();
    let input: Vec<u8> = data[4 + 32..4 + 64].to_vec();
    aliased[4 + 64..4 + 96].copy_from_slice(&input);
    assert!(is::<abi::InvalidOutputLength>(&story.call(aliased)));
    for argument in [1, 2, 4] {
        let mut wild = data.clone();
        wild[4 + 32 * argument..4 + 32 * argument + 32].fill(0xff);
        assert!(!story.call(wild).success, "an offset out of the calldata");
        let mut cut = data.clone();
        let at = 4 + 32 * argument;
        let offset = 4 + u32::from_be_bytes(data[at + 28..at + 32].try_into().unwrap()) as usize;
        cut[offset..offset + 32].fill(0xff);
        assert!(!story.call(cut).success, "a length out of the calldata");
    }
    for length in 0..head {
        assert!(!story.call(data[..length].to_vec()).success);
    }
}

/// A verifier takes keys and proofs of its own shape alone.
#[test]
fn shapes_do_not_mix() {
    let proved = [digits_mlp(BOTH[1]), paired(Interface::default(), BOTH[1])];
    for (own, other) in [(0, 1), (1, 0)] {
        let mut story = Story::for_key(&proved[own].key, srs());
        let stored = story.call(inferproof::evm::store_calldata(&proved[other].key));
        assert!(is::<abi::OtherMachine>(&stored), "{stored:?}");
        story.store(&proved[own].key);
        let mut proof = proved[own].proof(1);
        assert!(story.accepts(&proof));
        proof.bytes = proved[other].proof(1).bytes;
        assert!(is::<abi::WrongVerifier>(&story.verify(&proof)));
        assert!(verify(&proved[own].key, &srs().verifier_part(), &proof).is_err());
        assert_ne!(proved[own].key.program_id(), proved[other].key.program_id());
    }
}
