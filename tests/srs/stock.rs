//! With halo2's own prover and verifier.

use super::*;
use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    plonk::{
        Advice, Circuit, Column, ConstraintSystem, Error, Expression, Fixed, Instance, ProvingKey, Selector,
        create_proof, keygen_pk, keygen_vk, verify_proof,
    },
    poly::{
        Rotation,
        kzg::{
            commitment::KZGCommitmentScheme,
            multiopen::{ProverSHPLONK, VerifierSHPLONK},
            strategy::SingleStrategy,
        },
    },
    transcript::{Blake2bRead, Blake2bWrite, Challenge255, TranscriptReadBuffer, TranscriptWriterBuffer},
};

/// `a^2 = b`, b public, and a lookup, so that every argument of the proof system is there.
#[derive(Clone, Default)]
struct Square(Value<Fr>);

#[derive(Clone)]
struct Config {
    a: Column<Advice>,
    b: Column<Advice>,
    table: Column<Fixed>,
    public: Column<Instance>,
    on: Selector,
}

impl Circuit<Fr> for Square {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Config {
        let (a, b) = (meta.advice_column(), meta.advice_column());
        let (table, public, on) = (meta.fixed_column(), meta.instance_column(), meta.complex_selector());
        meta.enable_equality(b);
        meta.enable_equality(public);
        meta.create_gate("square", |meta| {
            let on = meta.query_selector(on);
            let a = meta.query_advice(a, Rotation::cur());
            vec![on * (a.clone() * a - meta.query_advice(b, Rotation::cur()))]
        });
        meta.lookup_any("a is small", |meta| {
            let on = meta.query_selector(on);
            let zero = Expression::Constant(Fr::ZERO);
            let a = meta.query_advice(a, Rotation::cur());
            vec![(on * a + zero, meta.query_fixed(table, Rotation::cur()))]
        });
        Config { a, b, table, public, on }
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let cell = layouter.assign_region(
            || "square",
            |mut region| {
                config.on.enable(&mut region, 0)?;
                for i in 0..8 {
                    region.assign_fixed(config.table, i, Fr::from(i as u64));
                }
                region.assign_advice(config.a, 0, self.0);
                Ok(region.assign_advice(config.b, 0, self.0.map(|a| a * a)).cell())
            },
        )?;
        layouter.constrain_instance(cell, config.public, 0);
        Ok(())
    }
}

fn prove(params: &ParamsKZG<Bn256>, pk: &ProvingKey<G1Affine>, public: &[Fr]) -> Vec<u8> {
    let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(Vec::new());
    let circuit = Square(Value::known(Fr::from(5)));
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<_>, _, _, _, _>(
        params,
        pk,
        &[circuit],
        &[&[public]],
        Seeded(8),
        &mut transcript,
    )
    .unwrap();
    transcript.finalize()
}

/// Guards: proofs made with the SRS verify with the verifier's part alone, and only for the right statement and SRS.
#[test]
fn proof_verifies_with_the_verifier_part() {
    let srs = srs(7);
    let params = srs.params(6).unwrap();
    let vk = keygen_vk(&params, &Square::default()).unwrap();
    let pk = keygen_pk(&params, vk, &Square::default()).unwrap();
    let proof = prove(&params, &pk, &[Fr::from(25)]);
    let verify = |part: SrsVerifier, public: Fr| {
        let params = part.params(6).unwrap();
        let mut transcript = Blake2bRead::<_, _, Challenge255<_>>::init(&proof[..]);
        let strategy = SingleStrategy::new(&params);
        verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, _, _, _>(
            &params,
            pk.get_vk(),
            strategy,
            &[&[&[public]]],
            &mut transcript,
        )
    };
    verify(srs.verifier_part(), Fr::from(25)).unwrap();
    assert!(verify(srs.verifier_part(), Fr::from(26)).is_err());
    let other = Srs::development(7, Seeded(2)).unwrap();
    assert!(verify(other.verifier_part(), Fr::from(25)).is_err());
}
