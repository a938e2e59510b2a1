// Makes elements. Text goes in as text: nothing that a model or a server says is ever parsed as HTML.

export function element(name, { className, text, ...attributes } = {}, ...children) {
  const made = document.createElement(name)
  if (className !== undefined) made.className = className
  if (text !== undefined) made.textContent = text
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

export function byId(id) {
  return document.getElementById(id)
}
