//! Keys as data: checked, bound by their id, and never changed.

use crate::story::{Story, digits_mlp, is, srs};
use alloy_sol_types::{SolCall, SolConstructor};
use inferproof::circuits::machine::Shape;
use inferproof::evm::abi::InferenceVerifier as abi;
use inferproof::evm::chain::Receipt;
use inferproof::evm::{artefacts, model_data, srs_data, verify_calldata};
use inferproof::{Srs, WeightVisibility};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha3::{Digest, Keccak256};

fn store(story: &mut Story, data: &[u8]) -> Receipt {
    story.call(abi::storeKeyCall { key: data.to_vec().into() }.abi_encode())
}

/// Offsets of the fields of a key with eight fixed and three permutation commitments.
const VERSION: usize = 20;
const TAG: usize = 22;
const K: usize = 26;
const SRS: usize = 27;
const INSECURE: usize = 59;
const FIXED: usize = 64;
const PERMUTATION: usize = 580;
const WORDS: usize = 772;
const DIGEST: usize = 776;
/// What is seen of the input, and then its axes.
const INPUT_SEEN: usize = 808;
const INPUT: usize = 809;

#[test]
fn a_stored_key_stays() {
    let (mut story, proved) = (Story::new(srs()), digits_mlp(WeightVisibility::Secret));
    let data = model_data(&proved.key);
    let first = store(&mut story, &data);
    assert!(first.success);
    let again = store(&mut story, &data);
    assert_eq!((again.success, &again.output), (true, &first.output));
    assert!(again.gas < first.gas / 2, "nothing is written twice");
    let pointer = abi::keyPointerCall { modelId: proved.key.model_id().into() };
    let pointer = story.call(pointer.abi_encode()).output;
    assert_ne!(pointer, [0; 32]);
    // The data contract does nothing when it is called.
    let address: [u8; 20] = pointer[12..].try_into().unwrap();
    let called = story.chain.call(address, vec![1, 2, 3]).unwrap();
    assert!(called.success && called.output.is_empty());
    let missing = abi::keyPointerCall { modelId: [1; 32].into() };
    assert_eq!(story.call(missing.abi_encode()).output, [0; 32]);
}

/// Every changed byte is refused or gives another model, for which the proof does not hold.
#[test]
fn every_byte_of_a_key_counts() {
    for visibility in [WeightVisibility::Public, WeightVisibility::Secret] {
        let (mut story, proved) = (Story::new(srs()), digits_mlp(visibility));
        story.store(&proved.key);
        let (data, proof) = (model_data(&proved.key), proved.proof(1));
        let weights_at = proved.key.program_preimage().len();
        let mut stored = 0;
        for byte in 0..data.len() {
            let mut bad = data.clone();
            bad[byte] ^= 1;
            let receipt = store(&mut story, &bad);
            if !receipt.success {
                continue;
            }
            stored += 1;
            let ids = [&bad[..weights_at], &bad[weights_at..]].map(|part| Keccak256::digest(part).to_vec());
            let id = Keccak256::digest([b"inferproof/model/1".to_vec(), ids.concat()].concat());
            assert_eq!(receipt.output, id.to_vec(), "byte {byte}");
            let mut claim = proof.clone();
            claim.statement.model_id = id.into();
            assert!(!story.accepts(&claim), "byte {byte}");
        }
        // The digest of the program is any number below the order; bounds of ranges and scales have others.
        assert!((32..90).contains(&stored), "{stored} other keys are well-formed");
        assert!(story.accepts(&proof), "the first key is as it was");
        for length in (0..data.len()).step_by(7) {
            assert!(!store(&mut story, &data[..length]).success, "{length} bytes");
        }
        assert!(is::<abi::MalformedKey>(&store(&mut story, &[data.as_slice(), &[0]].concat())));
        assert!(is::<abi::MalformedKey>(&store(&mut story, &[data.as_slice(), &[0; 64]].concat())));
    }
}

#[test]
fn what_is_wrong_has_a_name() {
    let (mut story, proved) = (Story::new(srs()), digits_mlp(WeightVisibility::Secret));
    let data = model_data(&proved.key);
    let weights = proved.key.program_preimage().len();
    let mut changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bad = data.clone();
        change(&mut bad);
        assert_ne!(bad, data);
        store(&mut story, &bad)
    };
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[0] ^= 1)));
    assert!(is::<abi::OtherMachine>(&changed(&|d| d[VERSION + 1] ^= 1)));
    assert!(is::<abi::OtherMachine>(&changed(&|d| d[TAG] ^= 1)));
    for k in [0, 3, 13, 25, 255] {
        assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[K] = k)), "k = {k}, and the SRS goes to 12");
    }
    assert!(is::<abi::OtherSrs>(&changed(&|d| d[SRS] ^= 1)));
    assert!(is::<abi::OtherSrs>(&changed(&|d| d[INSECURE] = 0)), "a development SRS is not hidden");
    assert!(is::<abi::OtherSrs>(&changed(&|d| d[INSECURE] = 2)));
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[FIXED - 1] ^= 1)));
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[PERMUTATION - 1] ^= 1)));
    for point in [FIXED, FIXED + 64 * 7, PERMUTATION, PERMUTATION + 128, weights + 25, weights + 25 + 64] {
        assert!(is::<abi::InvalidKeyPoint>(&changed(&|d| d[point + 63] ^= 1)), "off the curve");
        assert!(is::<abi::InvalidKeyPoint>(&changed(&|d| d[point..point + 64].fill(255))), "not reduced");
    }
    assert!(is::<abi::InvalidKeyPoint>(&changed(&|d| d[weights + 25..weights + 89].fill(0))), "a secret lane");
    assert!(changed(&|d| d[FIXED..FIXED + 64].fill(0)).success, "a fixed column may be zero");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[WORDS + 3] ^= 1)));
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[DIGEST..DIGEST + 32].fill(255))));
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT_SEEN] = 3)), "no such visibility");
    for seen in [1, 2] {
        assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT_SEEN] = seen)), "words of a tensor that is not public");
    }
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 3] = 0)), "no axes");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 3] = 9)), "too many");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 4] = 255)), "an axis of 2^63 elements");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 4..INPUT + 12].fill(0))), "an axis of none");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 12] = 127)), "lo above hi");
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| d[INPUT + 21] = 1)), "values of 17 bits");
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let receipt = changed(&|d| d[INPUT + 28..INPUT + 36].copy_from_slice(&scale.to_bits().to_be_bytes()));
        assert!(is::<abi::KeyOutOfBounds>(&receipt), "a scale of {scale}");
    }
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[weights] ^= 1)));
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[weights + 20] = 2)));
    assert!(is::<abi::MalformedKey>(&changed(&|d| d[weights + 24] ^= 1)));
    assert!(is::<abi::KeyOutOfBounds>(&changed(&|d| {
        d.truncate(weights + 25);
        d[weights + 21..weights + 25].fill(0);
    })));
}

/// Models of one SRS are not stored in a verifier of another.
#[test]
fn another_srs_is_refused() {
    let other = Srs::development(12, StdRng::seed_from_u64(9)).unwrap();
    let (mut story, proved) = (Story::new(&other), digits_mlp(WeightVisibility::Public));
    assert!(is::<abi::OtherSrs>(&store(&mut story, &model_data(&proved.key))));
    assert!(is::<abi::ModelNotStored>(&story.call(verify_calldata(&proved.proof(1)))));
    let id = story.call(abi::srsIdCall {}.abi_encode());
    assert_eq!(id.output, other.srs_id());
    let digest = story.call(abi::srsDigestCall {}.abi_encode());
    assert_eq!(digest.output, Keccak256::digest(srs_data(&other.verifier_part()).unwrap()).to_vec());
    assert_eq!(story.call(abi::insecureCall {}.abi_encode()).output[31], 1);
    let tag = story.call(abi::proofTagCall {}.abi_encode());
    assert_eq!(tag.output[..4], proved.proof(1).bytes[..4]);
}

#[test]
fn a_verifier_checks_its_srs_data() {
    let mut story = Story::new(srs());
    let data = srs_data(&srs().verifier_part()).unwrap();
    let mut deploy = |data: Vec<u8>| {
        let arguments = abi::constructorCall { srs: data.into() }.abi_encode();
        story.chain.create([artefacts::verifier(Shape::Single).bytecode.to_vec(), arguments].concat()).unwrap()
    };
    assert!(deploy(data.clone()).success);
    for (at, value) in
        [(0, 2), (1, 3), (1, 25), (1, 13), (2, 255), (33, data[33] ^ 1), (130, 255), (193, data[193] ^ 1)]
    {
        let mut bad = data.clone();
        bad[at] = value;
        assert!(is::<abi::InvalidSrs>(&deploy(bad)), "byte {at} = {value}");
    }
    for length in [0, 1, 129, data.len() - 1] {
        assert!(is::<abi::InvalidSrs>(&deploy(data[..length].to_vec())), "{length} bytes");
    }
    let mut zero = data.clone();
    zero[2..130].fill(0);
    assert!(is::<abi::InvalidSrs>(&deploy(zero)), "[tau]_2 at infinity");
}
