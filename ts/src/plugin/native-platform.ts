// Which machine this is, in the words of the platform packages: `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`.

import { readBinaryHeader } from './binary-header.js'

/** The platforms that native code is published for. */
export const PUBLISHED_PLATFORMS = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-arm64',
  'darwin-x64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
] as const

/** A machine as the loader of native code sees it. */
export interface NativePlatform {
  /** As `process.platform` says it. */
  readonly system: string
  /** As `process.arch` says it. */
  readonly arch: string
  /** The C library; undefined where a system has one only. */
  readonly libc?: 'gnu' | 'musl'
}

/** The platform of this process. */
export function currentPlatform(): NativePlatform {
  const { platform: system, arch } = process
  return system === 'linux' ? { system, arch, libc: libcOf(process.execPath) } : { system, arch }
}

/** As the platform packages end. */
export function platformName({ system, arch, libc }: NativePlatform): string {
  const suffix = system === 'win32' ? '-msvc' : libc === undefined ? '' : `-${libc}`
  return `${system}-${arch}${suffix}`
}

/** The version of glibc that this process runs on; undefined on musl and other systems. */
export function glibcVersion(): string | undefined {
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined
  if (report === undefined) return undefined
  // The network's part can take seconds, and says nothing here.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime
}

/** A program names its loader, and each C library has its own: `/lib/ld-musl-x86_64.so.1`, `/lib64/ld-linux-x86-64.so.2`. */
function libcOf(program: string): 'gnu' | 'musl' {
  return readBinaryHeader(program)?.interpreter?.includes('ld-musl') ? 'musl' : 'gnu'
}
