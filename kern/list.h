/*
 * Intrusive doubly linked lists: the link is a member of what is listed, so that putting
 * something on a list cannot fail and taking it off needs no search.
 *
 * A list is circular through its head; an unlinked node points at itself, so that
 * list_remove() may be called twice and list_is_linked() can tell. The caller locks.
 *
 *      list_for_each(&process->children, child, struct process, sibling_link)
 *              printk("%d\n", child->pid);
 */
#pragma once

#include "kern/types.h"

struct list_node {
    struct list_node *next, *prev;
};

struct list {
    struct list_node head;
};

#define LIST_INITIALIZER(list)                                                                     \
    {                                                                                              \
        .head = { &(list).head, &(list).head }                                                     \
    }

static inline void list_node_init(struct list_node *node)
{
    node->next = node->prev = node;
}

static inline void list_init(struct list *list)
{
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != node;
}

static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
    node->prev = where;
    node->next = where->next;
    where->next->prev = node;
    where->next = node;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(&list->head, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_after(list->head.prev, node);
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

/* The first node, unlinked; NULL when the list is empty. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list->head.next;

    if (node == &list->head)
        return NULL;
    list_remove(node);
    return node;
}

#define list_first(list, type, member)                                                             \
    (list_is_empty(list) ? NULL : container_of((list)->head.next, type, member))

#define list_pop(list, type, member)                                                               \
    (list_is_empty(list) ? NULL : container_of(list_pop_front(list), type, member))

/* What `node` links; NULL for the list's head: the end of a loop. */
#define list_item(list, node, type, member)                                                        \
    ((node) == &(list)->head ? NULL : container_of(node, type, member))

#define list_for_each(list, item, type, member)                                                    \
    for (type *item = list_item(list, (list)->head.next, type, member); item != NULL;              \
         item = list_item(list, item->member.next, type, member))

/* `item` may be removed (and freed) in the body. */
#define list_for_each_safe(list, item, type, member)                                               \
    for (type *item = list_item(list, (list)->head.next, type, member),                            \
              *item##_next = item == NULL ? NULL                                                   \
                                          : list_item(list, item->member.next, type, member);      \
         item != NULL; item = item##_next,                                                         \
              item##_next = item == NULL ? NULL                                                    \
                                         : list_item(list, item->member.next, type, member))
