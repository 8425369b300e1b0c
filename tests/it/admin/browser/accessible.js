// Returns what people with a screen reader, bad eyes or no mouse could not use, as a list of texts.
const faults = []
const all = (css) => [...document.querySelectorAll(css)]
const fault = (rule, element) => faults.push(`${rule}: ${element.outerHTML.slice(0, 120)}`)
const isShown = (element) => element.checkVisibility({ visibilityProperty: true })
const name = (element) =>
  (element.getAttribute("aria-label") ?? "").trim() ||
  (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("").trim()

if (!/^(zh-CN|en)$/.test(document.documentElement.lang)) fault("no language", document.documentElement)
if (!document.title.trim()) fault("no title", document.head)
for (const css of ["main", "h1"]) if (all(css).filter(isShown).length !== 1) faults.push(`not one ${css}`)

let level = 1
for (const heading of all("h1, h2, h3, h4, h5, h6").filter(isShown)) {
  const own = Number(heading.tagName[1])
  if (own > level + 1) fault("a heading skips a level", heading)
  if (!heading.textContent.trim()) fault("an empty heading", heading)
  level = own
}

for (const field of all("input:not([type=hidden]), select, textarea"))
  if (!name(field) && ![...field.labels].some((label) => label.textContent.trim())) fault("no label", field)
for (const button of all("a[href], button, summary"))
  if (!name(button) && !button.textContent.trim()) fault("no name", button)
for (const picture of all("img:not([alt]), svg[role=img]"))
  if (!name(picture) && !picture.querySelector(":scope > title")) fault("no text for a picture", picture)
for (const head of all("th:not([scope])")) fault("a head of a table without scope", head)
for (const one of all("[id]")) if (all(`[id="${CSS.escape(one.id)}"]`).length > 1) fault("an id twice", one)
for (const attribute of ["for", "aria-labelledby", "aria-describedby", "aria-controls"])
  for (const one of all(`[${attribute}]`))
    for (const id of one.getAttribute(attribute).split(" "))
      if (!document.getElementById(id)) fault(`${attribute} of nothing`, one)
for (const one of all("[tabindex]")) if (one.tabIndex > 0) fault("an order of its own", one)
// What scrolls must do so by keys.
for (const one of all("body *"))
  if (one.scrollWidth > one.clientWidth && /auto|scroll/.test(getComputedStyle(one).overflowX))
    if (one.tabIndex < 0) fault("scrolls by mouse only", one)

const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
// Any colour of CSS as red, green, blue and how opaque it is.
const colour = (css) => {
  canvas.clearRect(0, 0, 1, 1)
  canvas.fillStyle = css
  canvas.fillRect(0, 0, 1, 1)
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data
  return [red, green, blue, alpha / 255]
}
const over = (front, back) => [0, 1, 2].map((n) => front[n] * front[3] + back[n] * (1 - front[3])).concat(1)
const page = colour(matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "white")
const behind = (element) => {
  const own = element ? colour(getComputedStyle(element).backgroundColor) : page
  return own[3] === 1 || !element ? own : over(own, behind(element.parentElement))
}
const light = (colour) => {
  const [red, green, blue] = colour.slice(0, 3).map((part) =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
const seen = new Set()
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement
  if (seen.has(element) || !texts.currentNode.data.trim() || !isShown(element)) continue
  seen.add(element)
  // Nothing to read in what is switched off.
  if (element.closest(":disabled, script, style, title, svg")) continue
  const style = getComputedStyle(element)
  const size = parseFloat(style.fontSize)
  const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5
  const back = behind(element)
  const front = over(colour(style.color), back)
  for (let one = element; one; one = one.parentElement)
    front.splice(0, 4, ...over([...front.slice(0, 3), Number(getComputedStyle(one).opacity)], back))
  const [dark, bright] = [light(front), light(back)].sort((a, b) => a - b)
  const contrast = (bright + 0.05) / (dark + 0.05)
  if (contrast < least) fault(`contrast ${contrast.toFixed(2)} of ${least}`, element)
}
return [...new Set(faults)]
