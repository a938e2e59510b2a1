// Whether a file is what its entity tag says: the sha256 of its content, or the hash by which git names it.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/**
 * True also for a tag that is no hash: then the length, checked before, is all there is.
 * @param onBytes told how many more bytes were read.
 */
export async function matchesEtag(
  path: string,
  { etag, size }: { readonly etag: string; readonly size: number },
  signal: AbortSignal,
  onBytes: (count: number) => void = () => {},
): Promise<boolean> {
  const isSha256 = /^[0-9a-f]{64}$/i.test(etag)
  if (!isSha256 && !/^[0-9a-f]{40}$/i.test(etag)) return true
  // Some mirrors give the plain sha1 where the hub gives git's.
  const hashes = isSha256 ? [createHash('sha256')] : [createHash('sha1').update(`blob ${size}\0`), createHash('sha1')]
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }) as AsyncIterable<Buffer>) {
    for (const hash of hashes) hash.update(chunk)
    onBytes(chunk.length)
  }
  return hashes.some(hash => hash.digest('hex') === etag.toLowerCase())
}
