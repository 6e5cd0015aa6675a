// Runs axe-core on a page in Chromium, in both widths and both colours. Usage: node axe.js PAGE NODE_MODULES CHROMIUM
// Prints one JSON list: {width, scheme, overflow, violations: [{id, nodes, html}]}.
const fs = require("fs");
const path = require("path");
const [, , page, modules, chromium] = process.argv;
const puppeteer = require(path.join(modules, "puppeteer-core"));
const axe = fs.readFileSync(path.join(modules, "axe-core", "axe.min.js"), "utf8");

(async () => {
  const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"], headless: true });
  const found = [];
  for (const width of [1280, 390]) {
    for (const scheme of ["light", "dark"]) {
      const tab = await browser.newPage();
      await tab.setBypassCSP(true); // the page allows no script, and axe is one
      await tab.setViewport({ width, height: 1000 });
      await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await tab.goto("file://" + page);
      await tab.evaluate(axe);
      const result = await tab.evaluate(async () => await window.axe.run(document));
      const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      const violations = result.violations.map((one) => ({ id: one.id, nodes: one.nodes.length, html: one.nodes[0].html }));
      found.push({ width, scheme, overflow, violations, passes: result.passes.length });
      await tab.close();
    }
  }
  await browser.close();
  console.log(JSON.stringify(found));
})();
