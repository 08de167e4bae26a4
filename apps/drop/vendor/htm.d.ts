import type { Child, VNode } from './preact.d.ts';
declare const htm: {
  bind(h: (type: unknown, props: Record<string, unknown> | null, ...children: Child[]) => VNode):
    (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
};
export default htm;
