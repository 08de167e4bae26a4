import type * as api from './kith-api.d.ts';
export type PageUpdate = api.PageUpdate;
/**
 * The app. Dispatches `update` when a newer version of it was installed than the one that this page runs, and
 * when its files are gone. A page that calls `preventDefault` says so itself; else kith shows a bar.
 */
declare class App extends EventTarget {
    /** How this page stands, once kith has said so. @type {PageUpdate | undefined} */ update: PageUpdate | undefined;
    /** Loads all open pages of this space anew, this one too, with the installed version. */
    reload(): Promise<void>;
}
export declare const app: App;
export {};
