// Writes library.vue from npm packages: see README.md.
import {readFileSync, writeFileSync} from 'node:fs';

const read = (path) => readFileSync('node_modules/' + path, 'utf8').trim();
const about = (name) => {
  const told = JSON.parse(read(name + '/package.json'));
  const licence = ['LICENSE', 'LICENSE.md'].map((file) => {
    try { return read(name + '/' + file); } catch { return ''; }
  }).join('');
  return '/*\n' + name + ' ' + told.version + '\n\n' + licence + '\n*/';
};
const script = [
  '/* Built by library.mjs from npm packages; not written by hand. */',
  about('uplot'), 'if (!window.uPlot) {', read('uplot/dist/uPlot.iife.min.js'), 'window.uPlot = uPlot;', '}',
  about('gifenc'), 'if (!window.gifenc) (function (exports) {', read('gifenc/dist/gifenc.js').replace(/^\/\/# sourceMappingURL.*$/m, ''), '})(window.gifenc = {});',
  "module.exports = {name: 'ut-library'};",
].join('\n');
writeFileSync(new URL('library.vue', import.meta.url), `<template>
  <span class="ut-library" aria-hidden="true"></span>
</template>

<script>
${script}
</script>

<style id="ut-library">
${read('uplot/dist/uPlot.min.css')}
</style>
`);
