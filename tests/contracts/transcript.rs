//! Every challenge of the contract, word by word, against the order of `docs/spec/transcript.md` hashed here by hand.

use crate::story::{digits_mlp, linked, paired, root, shown, srs};
use inferproof::circuits::machine::Shape;
use inferproof::evm::generator::contract_name;
use inferproof::evm::{artefacts, deployment, model_data, store_calldata, verify_calldata};
use inferproof::{Interface, Proof, VerifyingKey, Visibility, WeightVisibility};
use revm::bytecode::opcode::STATICCALL;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::InMemoryDB;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{Jumps, MemoryTr};
use revm::primitives::{Address, TxKind};
use revm::{InspectCommitEvm, Inspector, MainBuilder, MainContext};
use sha3::{Digest, Keccak256};
use std::collections::HashMap;

/// The memory of a verification at the moment of its pairing.
#[derive(Default)]
struct AtPairing(Vec<u8>);

impl<C> Inspector<C, EthInterpreter> for AtPairing {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _: &mut C) {
        let stack = interpreter.stack.data();
        let pairing = interpreter.bytecode.opcode() == STATICCALL && stack.len() > 1 && stack[stack.len() - 2] == 8;
        if pairing {
            let memory = &interpreter.memory;
            self.0 = memory.slice(0..memory.size()).to_vec();
        }
    }
}

fn memory_of(key: &VerifyingKey, proof: &Proof) -> Vec<u8> {
    let mut evm = Context::mainnet().with_db(InMemoryDB::default()).build_mainnet_with_inspector(AtPairing::default());
    let code = deployment(&artefacts::verifier(key.shape()).bytecode, &srs().verifier_part()).unwrap();
    let mut verifier = Address::ZERO;
    for (nonce, data) in [code, store_calldata(key), verify_calldata(proof)].into_iter().enumerate() {
        let kind = if nonce == 0 { TxKind::Create } else { TxKind::Call(verifier) };
        let transaction = TxEnv::builder()
            .caller([0x11; 20].into())
            .kind(kind)
            .data(data.into())
            .gas_limit(1 << 24)
            .gas_price(0)
            .nonce(nonce as u64)
            .build()
            .unwrap();
        let result = evm.inspect_tx_commit(transaction).unwrap();
        let ExecutionResult::Success { output, .. } = result else { panic!("{result:?}") };
        if let Output::Create(_, Some(address)) = output {
            verifier = address;
        }
    }
    evm.inspector.0
}

/// Addresses of the contract's words, from its source.
fn slots(shape: Shape) -> HashMap<String, usize> {
    let source = root().join("contracts").join(contract_name(shape)).with_extension("sol");
    let source = std::fs::read_to_string(source).unwrap();
    let constant = |line: &str| {
        let (name, value) = line.trim().strip_prefix("uint256 private constant ")?.split_once(" = 0x")?;
        Some((name.to_string(), usize::from_str_radix(value.strip_suffix(';')?, 16).ok()?))
    };
    source.lines().filter_map(constant).collect()
}

/// `state` and challenges, as the specification has them.
struct Sponge([u8; 32]);

impl Sponge {
    fn squeeze(&mut self, absorbed: &[u8]) -> [u8; 32] {
        let absorbed = if absorbed.is_empty() { &[1] } else { absorbed };
        self.0 = Keccak256::new().chain_update(self.0).chain_update(absorbed).finalize().into();
        reduced(self.0)
    }
}

/// A 256-bit big-endian number modulo the group order, by subtraction.
fn reduced(mut number: [u8; 32]) -> [u8; 32] {
    let order = hex::decode("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001").unwrap();
    while number.as_slice() >= order.as_slice() {
        let mut borrow = 0;
        for (byte, of) in number.iter_mut().zip(&order).rev() {
            let difference = i16::from(*byte) - i16::from(*of) - borrow;
            borrow = i16::from(difference < 0);
            *byte = difference.rem_euclid(256) as u8;
        }
    }
    number
}

/// The words of a tensor of one byte an element.
fn words(bytes: &[u8], signed: bool) -> Vec<u8> {
    let word = |chunk: &[u8]| {
        // The sum of the elements times powers of 256, carried out with a sign, then modulo the order.
        let mut digits = [0i32; 32];
        for (place, byte) in chunk.iter().enumerate() {
            digits[place + 1] = if signed { i32::from(*byte as i8) } else { i32::from(*byte) };
        }
        let mut carry = 0;
        let mut number = [0u8; 32];
        for place in (0..32).rev() {
            let sum = digits[place] + carry;
            number[place] = sum.rem_euclid(256) as u8;
            carry = sum.div_euclid(256);
        }
        if carry < 0 {
            // 2^256 - |word|: add the order.
            let order = hex::decode("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001").unwrap();
            let mut carry = 0u16;
            for (byte, of) in number.iter_mut().zip(&order).rev() {
                carry += u16::from(*byte) + u16::from(*of);
                *byte = carry as u8;
                carry >>= 8;
            }
        }
        number
    };
    bytes.chunks(31).flat_map(word).collect()
}

#[test]
fn every_challenge_is_the_specified_one() {
    let both = [WeightVisibility::Public, WeightVisibility::Secret];
    let cases = both.into_iter().flat_map(|visibility| [(0, visibility), (1, visibility), (2, visibility)]);
    let cases = cases.flat_map(|(links, visibility)| Shape::ALL.map(|shape| (links, visibility, shape)));
    for (links, visibility, shape) in cases {
        let slots = slots(shape);
        let masked = Interface { input: Visibility::Committed, output: Visibility::Public };
        let committed = Interface { output: Visibility::Committed, ..masked };
        let proved = match (shape, links) {
            (Shape::Paired, links) => paired([Interface::default(), masked, committed][links], visibility),
            (_, 0) => digits_mlp(visibility),
            (_, 1) => shown(masked, visibility),
            _ => linked(visibility),
        };
        let proof = proved.proof(1);
        let memory = memory_of(&proved.key, &proof);
        let (statement, body) = (&proof.statement, &proof.bytes[4..]);
        let (mask, bytes) = body.split_at(if links > 0 { 64 } else { 0 });
        let mut absorbed = b"inferproof/proof/1\x00\x01".to_vec();
        absorbed.extend(statement.model_id);
        absorbed.extend(statement.context);
        for tensor in [&statement.input, &statement.output] {
            absorbed.extend((tensor.len() as u32).to_be_bytes());
            absorbed.extend(tensor);
        }
        let signed = [&proved.key.io().input, &proved.key.io().output].map(|tensor| tensor.packing.range.lo < 0);
        absorbed.extend(mask);
        // After the commitments, and the number of words.
        let digest = 776 + 64 * (shape.fixed() - 8);
        absorbed.extend(&model_data(&proved.key)[digest..digest + 32]);
        if links == 0 {
            absorbed.extend(words(&statement.input, signed[0]));
        }
        if links < 2 {
            absorbed.extend(words(&statement.output, signed[1]));
        }
        // Bytes of the three phases, of the evaluations, and where each of what follows begins.
        let (phases, evaluations) = match shape {
            Shape::Paired => ([448, 64, 512], 1_248),
            Shape::Single => ([320, 0, 448], 1_056),
        };
        let [zero, between, _] = phases;
        let copies = phases.iter().sum::<usize>();
        let values = copies + 128 + 256;
        let first = values + evaluations;
        absorbed.extend(&bytes[..zero]);
        let mut sponge = Sponge([0; 32]);
        let mut expected = vec![("R", sponge.squeeze(&absorbed))];
        expected.push(("POSITION", sponge.squeeze(&bytes[zero..zero + between])));
        for name in ["ALPHA", "BETA"] {
            expected.push((name, sponge.squeeze(&[])));
        }
        sponge.squeeze(&bytes[zero + between..copies]);
        expected.push(("COPY_BETA", sponge.squeeze(&[])));
        expected.push(("COPY_GAMMA", sponge.squeeze(&[])));
        expected.push(("Y", sponge.squeeze(&bytes[copies..copies + 128])));
        expected.push(("X", sponge.squeeze(&bytes[copies + 128..values])));
        expected.push(("Y_OPEN", sponge.squeeze(&bytes[values..first])));
        expected.push(("V", sponge.squeeze(&[])));
        expected.push(("U", sponge.squeeze(&bytes[first..first + 64])));
        let last = &bytes[first + 64..];
        // The value and the quotient of the link proof.
        let link = if links > 0 { 96 } else { 0 };
        if visibility == WeightVisibility::Secret {
            expected.push(("SPAN_CHALLENGE", sponge.squeeze(&last[..128 + link])));
            sponge.squeeze(&last[128 + link..192 + link]);
        } else {
            sponge.squeeze(&last[..64 + link]);
        }
        expected.push(("MERGE", sponge.squeeze(&[])));
        let mut one = [0; 32];
        one[31] = 1;
        expected.push(("FACTOR", one));
        for (name, value) in expected {
            let at = slots[name];
            assert_eq!(hex::encode(&memory[at..at + 32]), hex::encode(value), "{name}, {visibility:?}, {shape:?}");
        }
    }
}
