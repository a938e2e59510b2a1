// The id of a heading as GitHub makes it, so that a link to one leads there on the site as well as in the repository.

export function githubSlug(title: string): string {
  return title
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
}
