// Electron Forge: Quire's packages lie beside the archive, and nothing is compiled.

module.exports = {
  packagerConfig: {
    asar: { unpackDir: '{node_modules/quire-llm,node_modules/@quire-llm}' },
  },
  rebuildConfig: { onlyModules: [] },
}
