// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.20 <0.9.0;

/// @title Stores keys of models under ids that follow from their bytes
/// @notice The part of the verifier that `ModelRegistry` needs.
interface IModelKeys {
    /// @notice Checks a key and stores it, unless it is stored. Anyone may.
    /// @param key The key's bytes; `inferproof contract model-data` writes them.
    /// @return modelId The id, computed from the key's bytes. The same bytes always give the same id.
    function storeKey(bytes calldata key) external returns (bytes32 modelId);

    /// @notice The data contract that holds the key of a model.
    /// @param modelId The model.
    /// @return pointer Its address, or zero if no key is stored.
    function keyPointer(bytes32 modelId) external view returns (address pointer);

    /// @notice Names what a commitment to a model's input or output says besides its point; see `IInferenceVerifier`.
    /// @param modelId The model.
    /// @param ofOutput Whether it is about the output.
    /// @return header Zero if that tensor is not committed.
    function tensorHeader(bytes32 modelId, bool ofOutput) external view returns (bytes32 header);
}
