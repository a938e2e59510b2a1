// Makes elements. Texts stay texts: nothing that a model says becomes HTML.

/** An element with properties, and children that are elements or texts. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name)
  const { dataset, ...others } = properties
  Object.assign(made, others)
  Object.assign(made.dataset, dataset)
  made.append(...children)
  return made
}

export function byId(id) {
  return document.getElementById(id)
}

/** A number as people read it. */
export function short(number) {
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(number)
}

/** Bytes as people read them. */
export function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)))
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
