// The part of the embedded plugin that the Worker is bundled with. That package is compiled after this one.

declare module '@quire-llm/candle-cpu/portable' {
  export function candlePlugin(host: {
    loadNative(): Promise<object>
    readonly memory: {
      info(): import('../plugin/device.js').MemoryInfo
      peakBytes(): number
      resetPeak(): boolean
    }
    readonly parallelism: number
    computeThreads(path: string): Promise<number>
  }): import('../plugin/framework-plugin.js').FrameworkPlugin
}
