/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked lists whose links are members of the entries. */
#ifndef VARVE_GURT_LIST_H
#define VARVE_GURT_LIST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A link of a ring: the head is one too, and an empty list's head points to itself. */
typedef struct d_list_head {
  struct d_list_head *next;
  struct d_list_head *prev;
} d_list_t;

#define D_LIST_HEAD_INIT(name) \
  { &(name), &(name) }
/** Defines an empty list. */
#define D_LIST_HEAD(name) d_list_t name = D_LIST_HEAD_INIT(name)
/** Makes the list empty, or the entry alone. */
#define D_INIT_LIST_HEAD(ptr)       \
  do {                              \
    (ptr)->next = (ptr)->prev = (ptr); \
  } while (0)

/** Puts the entry first. */
static inline void d_list_add(d_list_t *newe, d_list_t *head) {
  newe->prev = head;
  newe->next = head->next;
  head->next->prev = newe;
  head->next = newe;
}

/** Puts the entry last: before the head of the ring. */
static inline void d_list_add_tail(d_list_t *newe, d_list_t *head) { d_list_add(newe, head->prev); }

/** Takes the entry out; its own links stay as they were. */
static inline void d_list_del(d_list_t *entry) {
  entry->prev->next = entry->next;
  entry->next->prev = entry->prev;
}

/** Takes the entry out and leaves it alone in a ring of its own. */
static inline void d_list_del_init(d_list_t *entry) {
  d_list_del(entry);
  D_INIT_LIST_HEAD(entry);
}

/** Moves the entry to the first place of another list. */
static inline void d_list_move(d_list_t *list, d_list_t *head) {
  d_list_del(list);
  d_list_add(list, head);
}

/** Moves the entry to the last place of another list. */
static inline void d_list_move_tail(d_list_t *list, d_list_t *head) {
  d_list_del(list);
  d_list_add_tail(list, head);
}

/** Nonzero if nothing is in the list. */
static inline int d_list_empty(d_list_t *head) { return head->next == head; }

/** The same, also checking that no other thread is taking the last entry out. */
static inline int d_list_empty_careful(const d_list_t *head) {
  const d_list_t *next = head->next;

  return next == head && head->prev == next;
}

/** Moves all entries of `list` to the front of `head`; `list` itself is left as it was. */
static inline void d_list_splice(d_list_t *list, d_list_t *head) {
  if (d_list_empty(list)) return;
  list->prev->next = head->next;
  head->next->prev = list->prev;
  list->next->prev = head;
  head->next = list->next;
}

/** The same, and makes `list` empty. */
static inline void d_list_splice_init(d_list_t *list, d_list_t *head) {
  d_list_splice(list, head);
  D_INIT_LIST_HEAD(list);
}

/** The entry that contains the link. */
#define d_list_entry(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/** Takes the first entry out and gives it, or NULL if there is none. */
#define d_list_pop_entry(list, type, member)                         \
  __extension__({                                                    \
    type *d_popped_ = NULL;                                          \
    if (!d_list_empty(list)) {                                       \
      d_popped_ = d_list_entry((list)->next, type, member);          \
      d_list_del_init((list)->next);                                 \
    }                                                                \
    d_popped_;                                                       \
  })

/* Loops over links. The `_safe` ones allow the body to take `pos` out; `n` holds the next one. */
#define d_list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define d_list_for_each_prev(pos, head) for (pos = (head)->prev; pos != (head); pos = pos->prev)
#define d_list_for_each_safe(pos, n, head) \
  for (pos = (head)->next, n = pos->next; pos != (head); pos = n, n = pos->next)

/* Steps of the loops below: the entry beside `pos`; whether `pos` is an entry, not the head. */
#define D_LIST_BESIDE_(pos, side, member) \
  d_list_entry((pos)->member.side, __typeof__(*(pos)), member)
#define D_LIST_FIRST_(pos, head, side, member) \
  d_list_entry((head)->side, __typeof__(*(pos)), member)
#define D_LIST_MORE_(pos, head, member) (&(pos)->member != (head))

/* Loops over entries: forwards, backwards, with removal, from the middle. */
#define d_list_for_each_entry(pos, head, member)                                           \
  for (pos = D_LIST_FIRST_(pos, head, next, member); D_LIST_MORE_(pos, head, member);      \
       pos = D_LIST_BESIDE_(pos, next, member))
#define d_list_for_each_entry_reverse(pos, head, member)                                   \
  for (pos = D_LIST_FIRST_(pos, head, prev, member); D_LIST_MORE_(pos, head, member);      \
       pos = D_LIST_BESIDE_(pos, prev, member))
#define d_list_for_each_entry_safe(pos, n, head, member)                                   \
  for (pos = D_LIST_FIRST_(pos, head, next, member), n = D_LIST_BESIDE_(pos, next, member); \
       D_LIST_MORE_(pos, head, member); pos = n, n = D_LIST_BESIDE_(n, next, member))
#define d_list_for_each_entry_reverse_safe(pos, n, head, member)                           \
  for (pos = D_LIST_FIRST_(pos, head, prev, member), n = D_LIST_BESIDE_(pos, prev, member); \
       D_LIST_MORE_(pos, head, member); pos = n, n = D_LIST_BESIDE_(n, prev, member))
#define d_list_for_each_entry_continue(pos, head, member)                                  \
  for (pos = D_LIST_BESIDE_(pos, next, member); D_LIST_MORE_(pos, head, member);           \
       pos = D_LIST_BESIDE_(pos, next, member))
#define d_list_for_each_entry_safe_from(pos, n, head, member)                              \
  for (n = D_LIST_BESIDE_(pos, next, member); D_LIST_MORE_(pos, head, member);             \
       pos = n, n = D_LIST_BESIDE_(n, next, member))
#define d_list_for_each_entry_typed(pos, head, type, member)                               \
  for (pos = d_list_entry((head)->next, type, member); D_LIST_MORE_(pos, head, member);    \
       pos = d_list_entry((pos)->member.next, type, member))

/** An entry's link in a list whose head is one pointer; `pprev` points to what points here. */
typedef struct d_hlist_node {
  struct d_hlist_node *next;
  struct d_hlist_node **pprev;
} d_hlist_node_t;

/** The head of such a list. */
typedef struct d_hlist_head {
  d_hlist_node_t *first;
} d_hlist_head_t;

#define D_HLIST_HEAD_INIT \
  { NULL }
#define D_HLIST_HEAD(name) d_hlist_head_t name = D_HLIST_HEAD_INIT
#define D_INIT_HLIST_HEAD(ptr) ((ptr)->first = NULL)
#define D_INIT_HLIST_NODE(ptr) ((ptr)->next = NULL, (ptr)->pprev = NULL)

/** Nonzero if the entry is in no list. */
static inline int d_hlist_unhashed(const d_hlist_node_t *h) { return h->pprev == NULL; }

/** Nonzero if nothing is in the list. */
static inline int d_hlist_empty(const d_hlist_head_t *h) { return h->first == NULL; }

/** Takes the entry out; its own links stay as they were. */
static inline void d_hlist_del(d_hlist_node_t *n) {
  *n->pprev = n->next;
  if (n->next != NULL) n->next->pprev = n->pprev;
}

/** Takes the entry out, if it is in a list, and clears its links. */
static inline void d_hlist_del_init(d_hlist_node_t *n) {
  if (d_hlist_unhashed(n)) return;
  d_hlist_del(n);
  D_INIT_HLIST_NODE(n);
}

/** Puts the entry where `at` points, in front of what is there. */
static inline void d_hlist_insert_(d_hlist_node_t *n, d_hlist_node_t **at) {
  n->next = *at;
  n->pprev = at;
  if (n->next != NULL) n->next->pprev = &n->next;
  *at = n;
}

/** Puts the entry first. */
static inline void d_hlist_add_head(d_hlist_node_t *n, d_hlist_head_t *h) {
  d_hlist_insert_(n, &h->first);
}

/** Puts the entry before `next`, which is in a list. */
static inline void d_hlist_add_before(d_hlist_node_t *n, d_hlist_node_t *next) {
  d_hlist_insert_(n, next->pprev);
}

/** Puts the entry after `prev`, which is in a list. */
static inline void d_hlist_add_after(d_hlist_node_t *n, d_hlist_node_t *prev) {
  d_hlist_insert_(n, &prev->next);
}

#define d_hlist_entry(ptr, type, member) d_list_entry(ptr, type, member)

#ifdef __cplusplus
}
#endif

#endif /* VARVE_GURT_LIST_H */
