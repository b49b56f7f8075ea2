//! A chain in memory, to deploy the contracts and to see what a call costs.

use super::data::Address;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB, InMemoryDB};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Bytes, TxKind};
use revm::{ExecuteCommitEvm, Journal, MainBuilder, MainContext, MainnetEvm};
use serde::Serialize;
use thiserror::Error;

/// Most gas that one transaction may use from Osaka on (EIP-7825).
const GAS_LIMIT: u64 = 1 << 24;
const SENDER: Address = [0x11; 20];

/// Rules of gas and opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fork {
    /// May 2025.
    Prague,
    /// December 2025.
    #[default]
    Osaka,
}

/// A transaction that the chain did not take at all.
#[derive(Debug, Error)]
#[error("the transaction is not valid: {0}")]
pub struct ChainError(String);

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whether it was executed to its end, neither reverted nor out of gas.
    pub success: bool,
    /// What was returned, or said by a revert.
    pub output: Vec<u8>,
    /// All gas of the transaction, calldata included.
    pub gas: u64,
    /// Address of the contract made, if one was.
    pub created: Option<Address>,
}

type Database = CacheDB<EmptyDB>;
type Evm = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Database, Journal<Database>, ()>>;

/// A chain of one account that pays nothing for gas.
pub struct Chain {
    evm: Evm,
    nonce: u64,
}

impl Chain {
    /// An empty chain.
    #[must_use]
    pub fn new(fork: Fork) -> Self {
        let spec = match fork {
            Fork::Prague => SpecId::PRAGUE,
            Fork::Osaka => SpecId::OSAKA,
        };
        let context = Context::mainnet()
            .with_db(InMemoryDB::default())
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(spec));
        Self { evm: context.build_mainnet(), nonce: 0 }
    }

    /// Creates a contract.
    ///
    /// # Errors
    /// The transaction is refused before it runs: its code is too long, say.
    pub fn create(&mut self, code: Vec<u8>) -> Result<Receipt, ChainError> {
        self.send(TxKind::Create, code, GAS_LIMIT)
    }

    /// Calls a contract.
    ///
    /// # Errors
    /// The transaction is refused before it runs.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Result<Receipt, ChainError> {
        self.call_with_gas(to, data, GAS_LIMIT)
    }

    /// Calls a contract with a gas limit of its own.
    ///
    /// # Errors
    /// The transaction is refused before it runs.
    pub fn call_with_gas(&mut self, to: Address, data: Vec<u8>, gas: u64) -> Result<Receipt, ChainError> {
        self.send(TxKind::Call(to.into()), data, gas)
    }

    fn send(&mut self, kind: TxKind, data: Vec<u8>, gas: u64) -> Result<Receipt, ChainError> {
        let fail = |error: String| ChainError(error);
        let transaction = TxEnv::builder()
            .caller(SENDER.into())
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(gas)
            .gas_price(0)
            .nonce(self.nonce)
            .build()
            .map_err(|e| fail(format!("{e:?}")))?;
        let result = self.evm.transact_commit(transaction).map_err(|e| fail(e.to_string()))?;
        self.nonce += 1;
        let gas = result.tx_gas_used();
        Ok(match result {
            ExecutionResult::Success { output, .. } => {
                let created = match &output {
                    Output::Create(_, address) => address.map(|a| a.into_array()),
                    Output::Call(_) => None,
                };
                Receipt { success: true, output: output.into_data().to_vec(), gas, created }
            }
            ExecutionResult::Revert { output, .. } => {
                Receipt { success: false, output: output.to_vec(), gas, created: None }
            }
            ExecutionResult::Halt { .. } => Receipt { success: false, output: vec![], gas, created: None },
        })
    }
}
