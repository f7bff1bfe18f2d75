/* hooks.h: see hooks.c */
#ifndef LG_HOOKS_H
#define LG_HOOKS_H

extern void lg_hooks_install(void);

#endif							/* LG_HOOKS_H */
