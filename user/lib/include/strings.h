/* Comparing without regard to case. */
#pragma once

#include <string.h>
