// Foundry's programs from their npm packages.
import { createRequire } from "node:module";
import { arch, platform } from "node:process";

/** The path of forge or anvil. Throws if its package for this system is not installed. */
export function native(name) {
  const system = `${platform}-${{ x64: "amd64", arm64: "arm64" }[arch]}`;
  const binary = platform === "win32" ? `${name}.exe` : name;
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/${name}-${system}/bin/${binary}`);
  } catch {
    throw new Error(`${name} for ${system} is not installed: run npm ci in contracts/`);
  }
}
